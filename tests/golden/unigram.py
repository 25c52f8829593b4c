#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small unigram vocabularies for tests/unigram.c, as Hugging Face's tokenizers has SentencePiece's.

  pip install sentencepiece protobuf tokenizers
  python3 tests/golden/unigram.py

  text/unigram-t5.json    pieces and table of characters by SentencePiece (a few rules of NFKC), pipeline of T5, which SigLIP has
  text/unigram-xlm.json   the same with XLM-RoBERTa's pipeline
  text/unigram-*.jsonl    {text, ids}: what tokenizers answers with them
"""
import base64
import io
import json
import pathlib
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

out = pathlib.Path(__file__).parent / "text"

corpus = """a photo of a cat
a photo of two dogs in the park
people crossing a street at night in the rain
the quick brown fox jumps over the lazy dog
a cyclist on a road, cars and a bus behind
an empty room with a table and four chairs
sch\u00f6ne Gr\u00fc\u00dfe aus K\u00f6ln und M\u00fcnchen
\u0444\u043e\u0442\u043e\u0433\u0440\u0430\u0444\u0438\u044f \u043a\u043e\u0448\u043a\u0438 \u0438 \u0441\u043e\u0431\u0430\u043a\u0438
\u4e00\u53ea\u732b\u7684\u7167\u7247 \u4e00\u53ea\u72d7\u7684\u7167\u7247
\u0635\u0648\u0631\u0629 \u0642\u0637\u0629 \u0648 \u0643\u0644\u0628
photography photographer photographs photo 1234 56 2024""".split("\n")

texts = corpus + [
    "", " ", "a", "\u2581", "a\u2581b", "  two  spaces   and more ", "\ttabs\nlines\r\nhere ", "a\u00a0photo\u3000of\u2003a cat",
    "\uff21\uff22\uff23 \uff46\uff55\uff4c\uff4c \ufb01ne \ufb03 \u2167 \u00bd", "e\u0301 cafe\u0301 caf\u00e9 na\u0308ive A\u030a u\u0308",
    "\u0065\u0301\u0302x", "zzz \U0001f600\U0001f600 cat \U0001f468\u200d\U0001f469\u200d\U0001f467 q\u200dq", "CAT Dog", "cat.dog,park;rain!",
    "photophotophoto", "\u00c5ngstr\u00f6m \u212b", "x" * 40, "dogs dogsdogs", "\u4e00\u53ea\u732b a \u732b", "</s> cat <unk> dog <pad>", "caf\u0065\u0301\u0301",
]

# Characters and what they become, in hexadecimal; one of a letter with its accent, one of a letter alone that another begins with
rules = {
    "FB01": "66 69", "FB03": "66 66 69", "2167": "56 49 49 49", "BD": "31 2044 32", "A0": "20", "3000": "20", "2003": "20", "9": "20",
    "A": "20", "D": "20", "65 301": "E9", "75 308": "FC", "212B": "C5", "200D": "20",
    **{f"{0xFF21 + i:X}": f"{0x41 + i:X}" for i in range(26)}, **{f"{0xFF41 + i:X}": f"{0x61 + i:X}" for i in range(26)},
}

with tempfile.NamedTemporaryFile("w", suffix=".tsv") as table:
    table.write("".join(f"{a}\t{b}\n" for a, b in rules.items()))
    table.flush()
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 3), model_writer=written, vocab_size=180, hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2,
        bos_id=-1, normalization_rule_tsv=table.name, character_coverage=0.98, minloglevel=2)
proto = sentencepiece_model_pb2.ModelProto()
proto.ParseFromString(written.getvalue())
charsmap = proto.normalizer_spec.precompiled_charsmap
pieces = [(piece.piece, piece.score) for piece in proto.pieces]

for name in "t5", "xlm":
    tokenizer = Tokenizer(models.Unigram(pieces, 2, False))
    metaspace = pre_tokenizers.Metaspace("\u2581", "always")
    if name == "t5":
        tokenizer.normalizer = normalizers.Sequence([
            normalizers.Precompiled(charsmap), normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), "\u2581")])
        tokenizer.pre_tokenizer = metaspace
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    else:
        tokenizer.normalizer = normalizers.Precompiled(charsmap)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<pad> $A </s>", special_tokens=[("</s>", 1), ("<pad>", 0)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    (out / f"unigram-{name}.json").write_text(tokenizer.to_str(pretty=False))
    lines = [json.dumps({"text": text, "ids": tokenizer.encode(text).ids}) for text in texts]
    (out / f"unigram-{name}.jsonl").write_text("\n".join(lines) + "\n")
print(len(pieces), "pieces,", len(charsmap), "bytes of table")
