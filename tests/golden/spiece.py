#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small models of SentencePiece's own kind of file for tests/unigram.c, and the ids that SentencePiece gives.

  pip install sentencepiece
  python3 tests/golden/spiece.py [DIR]

  DIR/NAME.model    DIR: tests/golden/text; siglip: as T5 and SigLIP have it (a few rules, <pad> </s> <unk>); spaces: spaces stay,
                    no '▁' in front, pieces may cross words, <unk> <s> </s>
  DIR/NAME.jsonl    {text, ids}: what sentencepiece answers, with </s> behind
"""
import io
import json
import pathlib
import random
import sys
import tempfile

import sentencepiece

here = pathlib.Path(__file__).parent
out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "text"
texts = [json.loads(line)["text"] for line in (here / "text" / "unigram-t5.jsonl").read_text().splitlines()]
corpus = texts[:11]
texts += ["▁ a ▁", "a ▁▁", "ﬁ", "é́x", "  a", "a  ", "\u00a0\u3000 cat \u3000"]

rules = {"FB01": "66 69", "FB03": "66 66 69", "BD": "31 2044 32", "A0": "20", "3000": "20", "9": "20", "A": "20", "D": "20",
         "65 301": "E9", "65 301 302": "EA", "75 308": "FC", "212B": "C5", "200D": "20",
         **{f"{0xFF21 + i:X}": f"{0x61 + i:X}" for i in range(26)}}

models = {
    "siglip": {"vocab_size": 150, "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "character_coverage": 0.98},
    "spaces": {"vocab_size": 120, "add_dummy_prefix": False, "remove_extra_whitespaces": False, "split_by_whitespace": False,
               "normalization_rule_name": "identity", "control_symbols": ["<x>"]},
}
if out != here / "text":  # not for the repository: the whole table of NFKC, and many texts
    models["nfkc"] = {"vocab_size": 200, "normalization_rule_name": "nmt_nfkc_cf"}
    rng = random.Random(1)
    pool = list("abcdefghijklmnopqrstuvwxyz  ▁") + [chr(rng.randrange(0x20, 0x3100)) for _ in range(2000)] + ["\u0301", "\u0308", "ﬁ", "\u200d"]
    texts += ["".join(rng.choice(pool) for _ in range(rng.randrange(1, 40))) for _ in range(5000)]
    texts += [" ".join(rng.choice(" ".join(corpus).split()) for _ in range(rng.randrange(1, 12))) for _ in range(5000)]

with tempfile.NamedTemporaryFile("w", suffix=".tsv") as table:
    table.write("".join(f"{a}\t{b}\n" for a, b in rules.items()))
    table.flush()
    for name, settings in models.items():
        written = io.BytesIO()
        table_of = {} if "normalization_rule_name" in settings else {"normalization_rule_tsv": table.name}
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus * 3), model_writer=written, hard_vocab_limit=False,
                                                 minloglevel=2, **settings, **table_of)
        (out / f"{name}.model").write_bytes(written.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
        lines = [json.dumps({"text": text, "ids": processor.encode(text) + [processor.eos_id()]}) for text in texts]
        (out / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        print(name, processor.get_piece_size(), "pieces,", len(written.getvalue()), "bytes,", len(texts), "texts")
