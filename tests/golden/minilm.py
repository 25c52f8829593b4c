#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Embeddings of sentences by a published MiniLM (or any BERT that is a sentence encoder), for tests/published.c.

    pip install tokenizers
    python3 tests/golden/minilm.py DIRECTORY OUT.safetensors        a directory with model.safetensors, config.json, tokenizer.json

The tokens are those of Hugging Face's tokenizers, cut at 64; the features the mean over tokens of what this BERT (gradients.py
has its layers, PyTorch in float64) makes of them.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from gradients import attend, write

LENGTH = 64
TEXTS = [
    "a photo of a cat", "two dogs are playing in the park", "An empty street at night, in the rain.", "cat",
    "a diagram", "The quick brown fox jumps over the lazy dog", "people standing close together",
    "it's 3 o'clock: e-mail me at 10:45!", "Stra\u00dfe und Caf\u00e9, d\u00e9j\u00e0 vu", "\u4e00\u53ea\u732b", "?",
    "a very long sentence " + "that goes on and on " * 30,
]  # fmt: skip


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    types = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    return {
        name: torch.from_numpy(
            np.frombuffer(data[slice(*x["data_offsets"])], types[x["dtype"]]).reshape(x["shape"]).astype(np.float64)
        )
        for name, x in header.items()
        if name != "__metadata__"
    }


class Bert:
    def __init__(self, directory):
        self.weights = read(os.path.join(directory, "model.safetensors"))
        with open(os.path.join(directory, "config.json")) as file:
            self.config = json.load(file)

    def linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def norm(self, x, name):
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return F.layer_norm(x, weight.shape, weight, bias, self.config["layer_norm_eps"])

    def __call__(self, ids):
        """The mean over one text's tokens."""
        table = lambda which: self.weights[f"embeddings.{which}_embeddings.weight"]
        x = table("word")[ids] + table("position")[: len(ids)] + table("token_type")[0]
        x = self.norm(x, "embeddings.LayerNorm")
        for i in range(self.config["num_hidden_layers"]):
            name = f"encoder.layer.{i}."
            q, k, v = (self.linear(x, name + "attention.self." + which) for which in ("query", "key", "value"))
            y = self.linear(attend(q, k, v, self.config["num_attention_heads"]), name + "attention.output.dense")
            x = self.norm(x + y, name + "attention.output.LayerNorm")
            y = self.linear(F.gelu(self.linear(x, name + "intermediate.dense")), name + "output.dense")
            x = self.norm(x + y, name + "output.LayerNorm")
        return x.mean(0)


def main(directory, out):
    bert, tokenizer = Bert(directory), Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LENGTH)
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    with torch.no_grad():
        features = torch.stack([bert(torch.tensor(one)) for one in ids])
    write(out, {
        "clip.texts": np.frombuffer("".join(text + "\n" for text in TEXTS).encode(), np.uint8),
        "clip.tokens": np.array([one + [0] * (LENGTH - len(one)) for one in ids], np.int32),
        "clip.features": features.numpy().astype(np.float32),
    })  # fmt: skip
    print(out, tuple(features.shape))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
