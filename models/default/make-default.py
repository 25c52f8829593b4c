#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes clip-default.safetensors, one self-contained file, of an OpenCLIP directory:

    python3 models/default/make-default.py DIRECTORY models/default/clip-default.safetensors

  weights        as the table below says: int8 with a scale per row, or as they are
  configuration  open_clip_config.json, as metadata "clip.config"
  vocabulary     vocab.txt or tokenizer.json, as the u8 tensor "clip.tokenizer"

Needs numpy only. The same input gives the same bytes. docs/model.md describes the format.
"""
import json
import os
import re
import struct
import sys

import numpy as np

# The first row that fits a tensor's name says how it is stored; None, and where no row fits: in the type it has (f16 or f32).
# Kept is what int8 costs most, for its size, in the cosine to the float model's embeddings, measured one matrix at a time: the
# convolutions (a mean of .0025 together), then values, heads, and two of the matrices that return to the residual stream.
STORAGE = [
    (r"text\.transformer\.encoder\.layer\.[2-5]\.attention\.self\.value\.weight", None),
    (r"text\.transformer\.encoder\.layer\.5\.attention\.output\.dense\.weight", None),
    (r"text\.transformer\.encoder\.layer\.[02]\.output\.dense\.weight", None),
    (r"text\.transformer\.embeddings\.word_embeddings\.weight", "int8"),
    (r"text\.transformer\.encoder\..*\.(query|key|value|dense)\.weight", "int8"),
    (r"visual\.trunk\.conv_head\.weight", "int8"),
    (r"visual\.head\.proj\.weight", "int8"),
]
ALIGNMENT = 64
DTYPES = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "U8": np.uint8, "I64": np.int64}


def read(path):
    data = np.fromfile(path, np.uint8)
    length = struct.unpack("<Q", data[:8].tobytes())[0]
    header = json.loads(data[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    return {
        name: data[8 + length :][slice(*t["data_offsets"])].view(DTYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in header.items()
    }


def quantise(weight):
    """[rows, …] → int8 of the same shape and a scale per row: w ≈ scale · q.

    A few large numbers in a row need not decide its scale: of 48 scales, from the one that clips nothing down to half of it, the
    one with the least squared error is taken, and then the best scale for the integers it gave."""
    w = weight.astype(np.float64).reshape(len(weight), -1)
    top = np.abs(w).max(1) / 127
    top[top == 0] = 1
    best, scale = np.full(len(w), np.inf), top.copy()
    for ratio in np.linspace(1, 0.5, 48):
        s = top * ratio
        q = np.clip(np.rint(w / s[:, None]), -127, 127)
        energy = (q * q).sum(1)
        s = np.where(energy > 0, (w * q).sum(1) / np.maximum(energy, 1), s)
        error = ((w - q * s[:, None]) ** 2).sum(1)
        better = error < best
        best[better], scale[better] = error[better], s[better]
    scale = scale.astype(np.float32)
    q = np.clip(np.rint(w / scale[:, None].astype(np.float64)), -127, 127).astype(np.int8)
    return q.reshape(weight.shape), scale


def convert(tensors):
    out = {}
    for name, weight in tensors.items():
        how = next((how for pattern, how in STORAGE if re.fullmatch(pattern, name)), None)
        if how == "int8":
            out[name], out[name + ".scale"] = quantise(weight)
        else:
            out[name] = weight
    return out


def write(path, tensors, metadata):
    """Tensors of a multiple of 64 bytes first, then by element size: all are aligned without gaps, which the format forbids."""
    names = {np.dtype(t): n for n, t in DTYPES.items()}
    order = sorted(tensors, key=lambda n: (tensors[n].nbytes % ALIGNMENT != 0, -tensors[n].itemsize, n))
    header, begin = {"__metadata__": metadata}, 0
    for name in order:
        t = tensors[name]
        header[name] = {"dtype": names[t.dtype], "shape": t.shape, "data_offsets": [begin, begin + t.nbytes]}
        begin += t.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(np.ascontiguousarray(tensors[name]).tobytes())


def load_text(directory, name):
    path = os.path.join(directory, name)
    return open(path, "rb").read() if os.path.exists(path) else None


def main(directory, path):
    tensors = convert(read(os.path.join(directory, "open_clip_model.safetensors")))
    vocabulary = load_text(directory, "vocab.txt") or load_text(directory, "tokenizer.json")
    tensors["clip.tokenizer"] = np.frombuffer(vocabulary, np.uint8)
    config = json.loads(load_text(directory, "open_clip_config.json"))
    metadata = {
        "clip.format": "1",
        "clip.name": "default",
        "clip.license": "Apache-2.0",
        "clip.config": json.dumps(config, separators=(",", ":")),
    }
    write(path, tensors, metadata)
    print(f"{path}: {os.path.getsize(path) / 2**20:.2f} MiB, {len(tensors)} tensors")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
