#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes tests/golden/text/: what the references answer for texts of ours.

  pip install ftfy==6.3.1 regex tokenizers open_clip_torch --no-deps; pip install wcwidth

  normalize.jsonl  {text, expected}   ftfy.fix_text, html.unescape twice, strip, \\s+ -> ' ', lower   (OpenAI's cleaning)
  clip.jsonl       {text, ids}        OpenAI's SimpleTokenizer (as in open_clip/tokenizer.py), 49,408 tokens
  toy-*.json       tokenizer.json of small vocabularies, trained on the texts below by Hugging Face's tokenizers
  toy-*.jsonl      {text, ids}        what tokenizers answers with them
"""
import html
import json
import pathlib
import re as plain_re
import sys
import sysconfig
import types

import ftfy
import regex
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

out = pathlib.Path(__file__).with_suffix("")
out.mkdir(exist_ok=True)

texts = [
    "", " ", "a", "A Photo of a CAT.", "two\tcats\r\nand  a dog\n", "\u3000wide\u00a0space\u2003\u1680x\u180ey",
    "it's we'll I'VE they'd you're I'm don't '\u017f", "\u2018single\u2019 \u201cdouble\u201d \u201alow\u201e \u2039\u203a \u02bc",
    "\ufb01ne \ufb03 \ufb05 \u0133 \u0149 \u01c4 \u01f2", "\uff26\uff35\uff2c\uff2c \uff71\uff76\uff9e \uffe5 \uff07 \uff08",
    "x\u0085y\u0091z\u0081", "\x1b[1;31mred\x1b[0m \x1b[", "a\x00b\x07c\x7fd\ufeffe\ufff9f\u206ag".replace("\x00", "\x01"),
    "&amp; &amp;amp; &lt;b&gt; &NTILDE; &nTILDE; &szlig; &SZLIG; &eacute;", "<b> &amp; &lt;", "a &lt;\n<b> &amp;amp;amp;\n&amp;amp;amp;amp;",
    "&notit; &notin; &copy2026 &AMPX; &#39; &#x27 &#0; &#128; &#xD800; &#x110000; &#59; &#1; &#xFDD0; &#; &#x; &",
    "&CounterClockwiseContourIntegral; &fjlig; &NotEqualTilde; &bne;", "&quot &quot; &QUOT;", "&amp;#39; &amp;amp;#39;",
    "sch\u00c3\u00b6n \u00e2\u0153\u201d l\u2019humanit\u00c3\u00a9 \u00f0\u0178\u02dc\u20ac", "\u00c3\u0192\u00c2\u00a9t\u00c3\u0192\u00c2\u00a9",
    "\u00d0\u0178\u00d1\u20ac\u00d0\u00b8\u00d0\u00b2\u00d0\u00b5\u00d1\u201a", "\u00abBlick\u00bb d\u00e9j\u00e0 vu\u2026 NO\u00cbL\u2122 \u00c9\u00a9 \u00e9\u00bb",
    "\u0130stanbul IJ \u039f\u0394\u039f\u03a3 \u03a3 \u03a3\u03b1 \u03b1\u03a3'\u03b1 \u03b1\u03a3' \u03b1\u0301\u03a3.", "\u2167 \u24b6 \u1e9e \u01c5 \u212a \u212b",
    "e\u0301 A\u030a \u1100\u1161\u11a8 \u0958 \ufb1d \U0001d15e", "\u4f60\u597d\u4e16\u754c \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \u0939\u093f\u0928\u094d\u0926\u0940 \u0e44\u0e17\u0e22",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \u2764\ufe0f x\u0345y", "snake_case kebab-case C++ $1,000.50 50% #1 a@b.c",
    "3.14159 \u00bd \u00b2 \u2460 \u0661\u0662", "<|endoftext|> x<|STARTOFTEXT|>y <|endoftext", "[CLS] a [SEP][MASK] [sep]", "<s>a</s> <mask> <unk>",
    "a people crossing a street filmed from above", "cars on a road at night, rain; a cyclist", "an empty room with a table",
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis zzzzzzzzzzzz", "na\u00efve caf\u00e9 r\u00e9sum\u00e9 Stra\u00dfe",
]


def write(name, key, answer, chosen=texts):
    lines = [json.dumps({"text": text, key: answer(text)}, ensure_ascii=True) for text in chosen]
    (out / name).write_text("\n".join(lines) + "\n")


# OpenAI
def clean(text):
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return regex.sub(r"\s+", " ", text).strip().lower()


for stub in "torch", "numpy":  # only imported for types
    sys.modules[stub] = types.ModuleType(stub)
sys.modules["torch"].LongTensor = sys.modules["torch"].Tensor = object
path = sysconfig.get_paths()["purelib"] + "/open_clip/tokenizer.py"
source = pathlib.Path(path).read_text()
source = source.replace("'<start_of_text>', '<end_of_text>'", "'<|startoftext|>', '<|endoftext|>'")  # as OpenAI spells them
source = source.replace('"|".join(special_tokens)', '"|".join(map(re.escape, special_tokens))')
scope = {"__name__": "tokenizer", "__file__": path}
exec(compile(source, path, "exec"), scope)
openai = scope["_tokenizer"]
write("normalize.jsonl", "expected", clean)
write("clip.jsonl", "ids", lambda text: [49406] + openai.encode(text) + [49407])

# Toy vocabularies
corpus = [clean(text) for text in texts] + [plain_re.sub(r"\W", " ", clean(text)) for text in texts]
ascii_texts = [text for text in texts if text.isascii() and not plain_re.search(r"[&<\x00-\x08\x0b-\x1f]", text)]


def train(tokenizer, trainer):
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


start, end = "<|startoftext|>", "<|endoftext|>"
clip = Tokenizer(models.BPE(unk_token=end, end_of_word_suffix="</w>"))
clip.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
clip.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
    pre_tokenizers.ByteLevel(add_prefix_space=False),
])
train(clip, trainers.BpeTrainer(vocab_size=460, special_tokens=[start, end], end_of_word_suffix="</w>", show_progress=False))
clip.post_processor = processors.RobertaProcessing((end, clip.token_to_id(end)), (start, clip.token_to_id(start)), False, False)
clip.save(str(out / "toy-clip.json"))
write("toy-clip.jsonl", "ids", lambda text: clip.encode(text).ids, ascii_texts)

roberta = Tokenizer(models.BPE())
roberta.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
train(roberta, trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
                                   initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
roberta.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
roberta.save(str(out / "toy-roberta.json"))
write("toy-roberta.jsonl", "ids", lambda text: roberta.encode(text).ids)

bert_texts = [text for text in texts if "\u180e" not in text]  # tokenizers' tables still have it as a space
for name, options in ("bert", {}), ("bert-cased", {"lowercase": False}):
    bert = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30))
    bert.normalizer = normalizers.BertNormalizer(**options)
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    train(bert, trainers.WordPieceTrainer(vocab_size=420, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
                                          show_progress=False))
    bert.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    bert.save(str(out / f"toy-{name}.json"))
    write(f"toy-{name}.jsonl", "ids", lambda text: bert.encode(text).ids, bert_texts)
