# SPDX-License-Identifier: LGPL-2.1-or-later
"""Texts and pictures as users have them: what the matrices are rounded for. No chance: of n there are, each (n / m)-th is taken."""
import io
import re
import tarfile
import unicodedata

import numpy as np

NAMES, GLOSSES, CAPTIONS, PICTURES = 4000, 300, 900, 1200
TEMPLATES = ["{}", "{}.", "a photo of {}.", "a photo of a {}.", "a picture of {}.", "a video frame showing {}."]


def choose(items, n):
    return [items[i * len(items) // n] for i in range(min(n, len(items)))] if len(items) > n else items


def read_names(path):
    """Lines of class, synset, kind, text, of which a gloss is a sentence and all others are names → texts."""
    names, glosses = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            _, _, kind, text = line.rstrip("\n").split("\t")
            (glosses if kind == "gloss" else names).append(text)
    names = choose(list(dict.fromkeys(names)), NAMES)  # a hypernym stands there for each class below it
    names = [TEMPLATES[i % len(TEMPLATES)].format(name) for i, name in enumerate(names)]
    return names + choose(glosses, GLOSSES)


def read_shards(paths):
    """WebDataset tars → captions, the first of each sample, and JPEG pictures, as many of each shard."""
    captions, pictures = [], []
    for path in paths:
        texts, jpegs = [], []
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".txt"):
                    texts.append(tar.extractfile(member).read().decode().partition("\n")[0])
                elif member.name.endswith(".jpg"):
                    jpegs.append(tar.extractfile(member).read())
        captions += choose(texts, CAPTIONS // len(paths))
        pictures += choose(jpegs, PICTURES // len(paths))
    return captions, pictures


def tokenize(text, pieces, longest):
    """WordPiece ids of an English text; pieces: { piece: id }."""
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    ids = [pieces["[CLS]"]]
    for word in re.findall(r"[^\W_]+|[^\w\s]|_", text):
        found, begin = [], 0
        while begin < len(word):
            prefix = "##" if begin else ""
            end = next((e for e in range(len(word), begin, -1) if prefix + word[begin:e] in pieces), None)
            if end is None:
                found = [pieces["[UNK]"]]
                break
            found.append(pieces[prefix + word[begin:end]])
            begin = end
        ids += found
    return ids[: longest - 1] + [pieces["[SEP]"]]


def preprocess(jpeg, size, mean, std):
    """→ [size, size, 3]: the short side to size, the middle of the long one, as the program does."""
    from PIL import Image

    picture = Image.open(io.BytesIO(jpeg)).convert("RGB")
    scale = size / min(picture.size)
    w, h = (max(size, int(n * scale)) for n in picture.size)
    left, top = round((w - size) / 2), round((h - size) / 2)
    picture = picture.resize((w, h), Image.BICUBIC).crop((left, top, left + size, top + size))
    return ((np.asarray(picture) / 255 - mean) / std).astype(np.float32)
