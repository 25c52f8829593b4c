#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small vocabulary of the form that Gemma's has, which SigLIP 2 reads texts with, for tests/bpe.c, by Hugging Face's tokenizers.

  pip install tokenizers
  python3 tests/golden/gemma.py        writes text/gemma.json, and text/gemma.jsonl: {text, ids}, what tokenizers answers with it
  python3 tests/golden/gemma.py DIRECTORY SIZE FILE…
                                       the same there, SIZE symbols trained on these files: for how long a large one takes to load

Byte pairs of characters with byte_fallback: spaces are '▁', words are not cut apart, runs of spaces and of line ends are
symbols, "<eos>" is put behind.
"""
import json
import pathlib
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

MARK = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>"]
# no character of these is in it: Armenian, Georgian, emoji, and a few of what the corpus lacks
CORPUS = """a photo of a cat
a photo of two dogs in the park
people crossing a street at night in the rain
the quick brown fox jumps over the lazy dog, 1234 56 2024
an empty room with a table and four chairs: "nice", isn't it?
sch\u00f6ne Gr\u00fc\u00dfe aus K\u00f6ln und M\u00fcnchen
\u0444\u043e\u0442\u043e\u0433\u0440\u0430\u0444\u0438\u044f \u043a\u043e\u0448\u043a\u0438 \u0438 \u0441\u043e\u0431\u0430\u043a\u0438
\u4e00\u53ea\u732b\u7684\u7167\u7247\uff0c\u4e00\u53ea\u72d7\u7684\u7167\u7247
\u0635\u0648\u0631\u0629 \u0642\u0637\u0629 \u0648 \u0643\u0644\u0628
\u092c\u093f\u0932\u094d\u0932\u0940 \u0915\u0940 \u0924\u0938\u094d\u0935\u0940\u0930""".split("\n")
TEXTS = CORPUS + [
    "", " ", "a", MARK, "a" + MARK + "b", "  two  spaces   and more ", "a" + " " * 70 + "cat" + " " * 9, "x" * 90,
    "\ttabs\nlines\r\nhere\n\n\nthere ", "CAT Dog STRASSE \u0130stanbul \u03a3\u039f\u03a6\u039f\u03a3", "photophotophoto", "dogs dogsdogs",
    "e\u0301 cafe\u0301 caf\u00e9 na\u0308ive", "\uff21\uff22 \ufb01ne \u2167 \u00bd", "zzz \U0001f600\U0001f600 cat \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u0555\u0576 \u056f\u0561\u057f\u0578\u0582", "\u10d9\u10d0\u10e2\u10d0", "\u05d7\u05ea\u05d5\u05dc", "\u0e41\u0e21\u0e27", "\uace0\uc591\uc774", "\u306d\u3053",
    "\u4e00\u53ea\u732b a \u732b", "<eos> cat <unk> dog <pad><bos>", "<0x41> <0x0A>", "<start_of_turn>a cat", "\u00a0\u3000\u2003", "\x01\x7f\u00ad\ufeff",
    "\U0010ffff\ue000", "the the the the the the", "1234567890" * 3, "\u200f\u0642\u0637\u0629\u200f!", "\u092c\u093f\u0932\u094d\u0932\u0940" * 3,
]


def train(lines, size):
    """Merges as a trainer of words has them, at spaces, and of the runs that Gemma's has."""
    words = Tokenizer(models.BPE(unk_token="<unk>"))
    words.normalizer = normalizers.Replace(" ", MARK)
    words.pre_tokenizer = pre_tokenizers.Split(MARK, "merged_with_next")
    words.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False))
    model = json.loads(words.to_str())["model"]
    merges, vocab = [tuple(merge) for merge in model["merges"]], {}
    for symbol in MARK, "\n":
        merges += [(symbol * (1 << i), symbol * (1 << i)) for i in range(3)]
    for token in SPECIAL + BYTES + list(model["vocab"]) + ["\n"] + [a + b for a, b in merges]:
        vocab.setdefault(token, len(vocab))
    return vocab, merges


def build(vocab, merges):
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", MARK)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def main():
    out, size, lines = pathlib.Path(__file__).parent / "text", 330, CORPUS * 3
    if len(sys.argv) > 3:
        out, size = pathlib.Path(sys.argv[1]), int(sys.argv[2])
        lines = [line for name in sys.argv[3:] for line in pathlib.Path(name).read_text("utf-8", "replace").split("\n")]
    tokenizer = build(*train(lines, size))
    (out / "gemma.json").write_text(tokenizer.to_str(pretty=False))
    answers = [json.dumps({"text": text, "ids": tokenizer.encode(text).ids}) for text in TEXTS]
    (out / "gemma.jsonl").write_text("\n".join(answers) + "\n")
    print(tokenizer.get_vocab_size(), "symbols")


main()
