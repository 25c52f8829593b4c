#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small vocabularies of many scripts for tests/roberta.c, trained by Hugging Face's tokenizers.

    pip install tokenizers
    python3 tests/golden/multilingual.py                       after unigram.py, whose table of characters it takes

    text/roberta.json   BPE over bytes, RoBERTa's pipeline with a space in front of each text; RoBERTa's special tokens
    text/xlm.json       unigram, XLM-RoBERTa's pipeline and special tokens
    text/NAME.jsonl     {text, ids}: what tokenizers answers with them

The unigram trainer ends up with other pieces each time: run roberta.py after it, which takes these ids.

    python3 tests/golden/multilingual.py FILE > ids.jsonl      the same lines of any tokenizer.json: a published one, say, with
                                                               GST_CLIP_TOKENIZER=FILE GST_CLIP_TOKENIZER_IDS=ids.jsonl
                                                               build/tests/test-roberta
"""
import json
import pathlib
import random
import sys

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

out = pathlib.Path(__file__).parent / "text"

# "a photo of a cat", "two dogs in the park", "a man on a bicycle", "an empty street", "rain at night"
corpus = [
    "a photo of a cat", "two dogs in the park", "a man on a bicycle", "an empty street", "rain at night",
    "ein Foto einer Katze", "zwei Hunde im Park", "ein Mann auf einem Fahrrad", "eine leere Stra\u00dfe", "Regen in der Nacht",
    "une photo d'un chat", "deux chiens dans le parc", "un homme \u00e0 v\u00e9lo", "une rue vide", "la pluie la nuit",
    "\u0444\u043e\u0442\u043e \u043a\u043e\u0448\u043a\u0438", "\u0434\u0432\u0435 \u0441\u043e\u0431\u0430\u043a\u0438 \u0432 \u043f\u0430\u0440\u043a\u0435", "\u043c\u0443\u0436\u0447\u0438\u043d\u0430 \u043d\u0430 \u0432\u0435\u043b\u043e\u0441\u0438\u043f\u0435\u0434\u0435", "\u043f\u0443\u0441\u0442\u0430\u044f \u0443\u043b\u0438\u0446\u0430",
    "\u03bc\u03b9\u03b1 \u03c6\u03c9\u03c4\u03bf\u03b3\u03c1\u03b1\u03c6\u03af\u03b1 \u03bc\u03b9\u03b1\u03c2 \u03b3\u03ac\u03c4\u03b1\u03c2", "\u03ad\u03bd\u03b1\u03c2 \u03ac\u03b4\u03b5\u03b9\u03bf\u03c2 \u03b4\u03c1\u03cc\u03bc\u03bf\u03c2",
    "\u0635\u0648\u0631\u0629 \u0642\u0637\u0629", "\u0643\u0644\u0628\u0627\u0646 \u0641\u064a \u0627\u0644\u062d\u062f\u064a\u0642\u0629", "\u0631\u062c\u0644 \u0639\u0644\u0649 \u062f\u0631\u0627\u062c\u0629", "\u0634\u0627\u0631\u0639 \u0641\u0627\u0631\u063a", "\u0645\u0637\u0631 \u0641\u064a \u0627\u0644\u0644\u064a\u0644",
    "\u05ea\u05de\u05d5\u05e0\u05d4 \u05e9\u05dc \u05d7\u05ea\u05d5\u05dc", "\u05e9\u05e0\u05d9 \u05db\u05dc\u05d1\u05d9\u05dd \u05d1\u05e4\u05d0\u05e8\u05e7", "\u05e8\u05d7\u05d5\u05d1 \u05e8\u05d9\u05e7",
    "\u090f\u0915 \u092c\u093f\u0932\u094d\u0932\u0940 \u0915\u0940 \u0924\u0938\u094d\u0935\u0940\u0930", "\u092a\u093e\u0930\u094d\u0915 \u092e\u0947\u0902 \u0926\u094b \u0915\u0941\u0924\u094d\u0924\u0947", "\u0938\u093e\u0907\u0915\u093f\u0932 \u092a\u0930 \u090f\u0915 \u0906\u0926\u092e\u0940", "\u090f\u0915 \u0916\u093e\u0932\u0940 \u0938\u0921\u093c\u0915",
    "\u4e00\u53ea\u732b\u7684\u7167\u7247", "\u516c\u56ed\u91cc\u7684\u4e24\u53ea\u72d7", "\u4e00\u4e2a\u9a91\u81ea\u884c\u8f66\u7684\u4eba", "\u7a7a\u8361\u8361\u7684\u8857\u9053", "\u591c\u91cc\u7684\u96e8",
    "\u732b\u306e\u5199\u771f", "\u516c\u5712\u306b\u3044\u308b\u4e8c\u5339\u306e\u72ac", "\u8ab0\u3082\u3044\u306a\u3044\u901a\u308a", "\uace0\uc591\uc774 \uc0ac\uc9c4", "\uacf5\uc6d0\uc5d0 \uc788\ub294 \uac1c \ub450 \ub9c8\ub9ac", "\ube48 \uac70\ub9ac",
    "\u0e20\u0e32\u0e1e\u0e16\u0e48\u0e32\u0e22\u0e02\u0e2d\u0e07\u0e41\u0e21\u0e27", "\u0e2a\u0e38\u0e19\u0e31\u0e02\u0e2a\u0e2d\u0e07\u0e15\u0e31\u0e27\u0e43\u0e19\u0e2a\u0e27\u0e19\u0e2a\u0e32\u0e18\u0e32\u0e23\u0e13\u0e30", "\u0e16\u0e19\u0e19\u0e27\u0e48\u0e32\u0e07\u0e40\u0e1b\u0e25\u0e48\u0e32",
    "m\u1ed9t b\u1ee9c \u1ea3nh c\u1ee7a m\u1ed9t con m\u00e8o", "hai con ch\u00f3 trong c\u00f4ng vi\u00ean", "bir kedi foto\u011fraf\u0131", "parkta iki k\u00f6pek", "bo\u015f bir sokak",
]

texts = corpus + [
    "", " ", "  ", "a", "  two  spaces   and more ", "\ttabs\nlines\r\nhere ", "trailing ", "no\u00a0break\u3000wide\u2003em",
    "\u0635\u064f\u0648\u0631\u064e\u0629\u064c \u0642\u0650\u0637\u0651\u064e\u0629", "\u200f\u0642\u0637\u0629\u200f \u202bcat\u202c", "\u0642\u0637\u0629 (cat) 12 \u0661\u0662", "\ufef7 \ufedf\ufe8e", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u05d7\u05ea\u05d5\u05dc!",
    "\u0915\u094d\u0937\u0924\u094d\u0930\u093f\u092f \u0930\u094d\u0939\u094d\u0930\u0938\u094d\u0935", "\u0c35\u0c3f\u0c32\u0c4d\u0c32\u0c40 \u0baa\u0bc2\u0ba9\u0bc8 \u10d9\u10d0\u10e2\u10d0 \u056f\u0561\u057f\u0578\u0582 \u1019\u103c\u1031 \u1785\u1797\u17d2\u1798\u17b6", "\u0e41\u0e21\u0e27\u0e14\u0e33\u0e01\u0e31\u0e1a\u0e2b\u0e21\u0e32\u0e02\u0e32\u0e27",
    "\U0001f600\U0001f600 cat \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \u2764\ufe0f", "\U00020000\U0002a6d6 \u732b", "e\u0301 caf\u00e9 A\u030a \u212b \ufb01ne \uff21\uff22 \u00bd \u2167",
    "it's we'll I'VE they'd you're don't d'un", "3.14159 1234567 $5.00 50% #1 a@b.c C++ snake_case", "x" * 70, "\u732b" * 30, "cat" * 25,
    "<s> cat </s>", "a <mask> of", "a  <mask>  <mask> cat", "<mask>", "\u00a0<mask>\u00a0", "cat<pad>dog <unk>", "\u2581", "a\u2581b \u2581\u2581", "zz\u0378\U000e0041\ufffdz",
]

special = ["<s>", "<pad>", "</s>", "<unk>"]


def add_mask(tokenizer):
    tokenizer.add_special_tokens(special + [AddedToken("<mask>", lstrip=True, normalized=False)])


def roberta():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=380, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    add_mask(tokenizer)
    return tokenizer


def xlm():
    tokenizer = Tokenizer(models.Unigram())
    taken = json.loads((out / "unigram-xlm.json").read_text())["normalizer"]["precompiled_charsmap"]
    tokenizer.normalizer = normalizers.Precompiled(__import__("base64").b64decode(taken))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("\u2581", "always")])
    tokenizer.train_from_iterator(corpus, trainers.UnigramTrainer(
        vocab_size=420, special_tokens=special, unk_token="<unk>", show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    add_mask(tokenizer)
    return tokenizer


def lines(tokenizer, chosen):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return "".join(json.dumps({"text": text, "ids": tokenizer.encode(text).ids}) + "\n" for text in chosen)


def many():
    """Texts of characters of every script, mixed, without their pictures' sense."""
    random.seed(1)
    blocks = [(0x20, 0x7f), (0xa0, 0x250), (0x370, 0x600), (0x600, 0x700), (0x900, 0xe80), (0x1000, 0x1100), (0x10a0, 0x1100),
              (0x1e00, 0x2070), (0x3040, 0x3100), (0x4e00, 0xa000), (0xac00, 0xd7a4), (0xfb00, 0xfe00), (0xff00, 0xfff0), (0x1f300, 0x1f700)]
    for _ in range(5000):
        a, b = random.choice(blocks)
        words = ("".join(chr(random.randrange(a, b)) for _ in range(random.randint(1, 12))) for _ in range(random.randint(1, 6)))
        yield random.choice([" ", " ", "  ", "\u3000", ""]).join(words)


if len(sys.argv) > 1:
    sys.stdout.write(lines(Tokenizer.from_file(sys.argv[1]), texts + list(many())))
else:
    for make in roberta, xlm:
        tokenizer = make()
        (out / f"{make.__name__}.json").write_text(tokenizer.to_str(pretty=False))
        (out / f"{make.__name__}.jsonl").write_text(lines(tokenizer, texts))
        print(make.__name__, tokenizer.get_vocab_size())
