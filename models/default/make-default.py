#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes clip-default.safetensors, one self-contained file, of a float model:

    python3 models/default/make-default.py MODEL models/default/clip-default.safetensors \\
        --names imagenet-names.tsv --shards flickr8k-0000.tar.gz tiny-imagenet-0000.tar.gz …

MODEL is model.safetensors of gst-clip train, or an OpenCLIP directory: BERT and an EfficientNet-Lite.

  weights        matrices of INT8 below: int8 with a scale per row; other matrices f16; vectors in the type they have
  vocabulary     without pieces that no English text needs, as the u8 tensor "clip.tokenizer"
  configuration  an open_clip_config.json, as metadata "clip.config"

The towers run on texts and pictures of --names and --shards (calibration.py, forward.py), the float ones and the rounded ones side
by side. From block 5.0 of the image tower on and in all of the text tower, each matrix is fitted to what it should give for the
inputs that it has got by then, and its integers compensate each other (rounding.py). A tenth of texts and pictures is not fitted
to: how near their embeddings are to the float model's is printed.

Needs numpy, and Pillow for the pictures; a few minutes. The same input gives the same bytes (on one machine: products of floats
differ in their last bits between processors). docs/model.md describes the format.
"""
import argparse
import json
import os
import re
import struct
import unicodedata

import numpy as np

import calibration
import forward
import rounding

# Matrices in int8, all others are f16: the text tower's, and as many of the image tower's widest stage as 32 MiB ask for.
INT8 = [
    r"text\.transformer\.embeddings\.word_embeddings\.weight",
    r"text\.transformer\.encoder\..*\.(query|key|value|dense)\.weight",
    r"text\.proj\.\d\.weight",
    r"visual\.trunk\.blocks\.5\.[123]\.(conv_pw|conv_pwl)\.weight",
    r"visual\.trunk\.blocks\.5\.0\.conv_pwl\.weight",
]
ALIGNMENT = 64
DTYPES = {"F32": np.float32, "F16": np.float16, "I8": np.int8, "U8": np.uint8, "I64": np.int64}

WORDS = "text.transformer.embeddings.word_embeddings.weight"
POSITIONS = "text.transformer.embeddings.position_embeddings.weight"


def read(path):
    """→ tensors, metadata"""
    data = np.fromfile(path, np.uint8)
    length = struct.unpack("<Q", data[:8].tobytes())[0]
    header = json.loads(data[8 : 8 + length].tobytes())
    metadata = header.pop("__metadata__", {})
    return {
        name: data[8 + length :][slice(*t["data_offsets"])].view(DTYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in header.items()
    }, metadata


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
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(np.ascontiguousarray(tensors[name]).tobytes())
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)


def load(model):
    """→ tensors, configuration, word pieces in the order of their ids"""
    if os.path.isdir(model):
        tensors, _ = read(os.path.join(model, "open_clip_model.safetensors"))
        with open(os.path.join(model, "open_clip_config.json"), encoding="utf-8") as file:
            config = json.load(file)
        with open(os.path.join(model, "vocab.txt"), encoding="utf-8") as file:
            vocabulary = file.read()
    else:
        tensors, metadata = read(model)
        config = json.loads(metadata["clip.config"])
        vocabulary = tensors.pop("clip.tokenizer").tobytes().decode()
    if vocabulary.startswith("{"):
        ids = json.loads(vocabulary)["model"]["vocab"]
        return tensors, config, sorted(ids, key=ids.get)
    return tensors, config, vocabulary.rstrip("\n").split("\n")


# ------------------------------------------------------------------------------------------- vocabulary and configuration


def is_needed(piece):
    """Not one of the places that BERT left free, [unused…], and without letters and signs of other scripts than Latin, which
    Unicode has up to U+024F. (Accents do not count: the tokenizer takes them off.)"""
    foreign = any(c > "\u024f" and unicodedata.category(c)[0] in "LM" for c in piece)
    return not foreign and not re.fullmatch(r"\[unused\d+\]", piece)


def name_trunk(tensors, config):
    """gst-clip train calls Lite2 Lite1, which is as deep."""
    image = config["model_cfg"]["vision_cfg"]
    if image["timm_model_name"] == "tf_efficientnet_lite1" and tensors["visual.trunk.conv_head.weight"].shape[1] == 352:
        image["timm_model_name"] = "tf_efficientnet_lite2"


def shorten(tensors, config, pieces):
    """Leaves in all three what can occur: needed pieces, and as many positions as a text may have."""
    text = config["model_cfg"]["text_cfg"]
    bert = text["hf_model_config"]
    longest = text.setdefault("context_length", 77)
    needed = [i for i, piece in enumerate(pieces) if is_needed(piece)]
    pieces = [pieces[i] for i in needed]
    tensors[WORDS] = tensors[WORDS][needed]
    tensors[POSITIONS] = tensors[POSITIONS][:longest]
    bert["vocab_size"], bert["max_position_embeddings"] = len(pieces), longest
    bert["pad_token_id"] = pieces.index("[PAD]")
    text.pop("hf_tokenizer_name", None)  # has the ids of the whole vocabulary
    return pieces


# ---------------------------------------------------------------------------------------------------------------- rounding


def is_int8(name):
    return any(re.fullmatch(pattern, name) for pattern in INT8)


def convert(tensors, config, pieces, texts, jpegs):
    """→ tensors as they are stored. Each tenth text and picture is not fitted to and tells how near the result is."""
    weights = rounding.Weights(tensors, is_int8)
    text, image = config["model_cfg"]["text_cfg"], config["model_cfg"]["vision_cfg"]
    ids = {piece: i for i, piece in enumerate(pieces)}
    fitted = np.arange(len(texts)) % 10 != 9
    tokens = [calibration.tokenize(t, ids, text["context_length"]) for t in texts]
    order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
    encoded = forward.encode_texts(
        weights, [tokens[i] for i in order], fitted[order], text["hf_model_config"]["num_attention_heads"]
    )
    encoded_texts = report("texts", encoded, fitted[order])

    mean, std = (np.array(config["preprocess_cfg"][name]) for name in ("mean", "std"))
    fitted = np.arange(len(jpegs)) % 10 != 9
    pictures = (calibration.preprocess(jpeg, image["image_size"], mean, std) for jpeg in jpegs)
    encoded = forward.encode_pictures(weights, pictures, fitted)
    encoded_pictures = report("pictures", encoded, fitted)
    answers = [(a @ b.T).argmax(1) for a, b in zip(encoded_pictures, encoded_texts)]
    print(f"same text of {len(encoded_texts[0])}: {(answers[0] == answers[1]).mean():.2%}")
    return weights.stored


def report(what, encoded, fitted):
    """Prints the distance between float and rounded embeddings → unit embeddings [2, m, E] of those not fitted to."""
    unit = encoded / np.linalg.norm(encoded, axis=2, keepdims=True)
    distance = 1 - (unit[0] * unit[1]).sum(1)
    print(
        f"{what}: 1 - cosine to the float model: {distance[fitted].mean():.2e} of {fitted.sum()} fitted to,"
        f" {distance[~fitted].mean():.2e} (at most {distance[~fitted].max():.2e}) of {(~fitted).sum()} others"
    )
    return unit[:, ~fitted]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("output", metavar="OUTPUT")
    parser.add_argument("--names", metavar="FILE", required=True, help="lines of class, synset, kind, text")
    parser.add_argument("--shards", metavar="FILE", required=True, nargs="+", help="tars with pictures and captions")
    args = parser.parse_args()

    tensors, config, pieces = load(args.model)
    name_trunk(tensors, config)
    pieces = shorten(tensors, config, pieces)
    captions, jpegs = calibration.read_shards(args.shards)
    tensors = convert(tensors, config, pieces, calibration.read_names(args.names) + captions, jpegs)
    tensors["clip.tokenizer"] = np.frombuffer("".join(piece + "\n" for piece in pieces).encode(), np.uint8)
    metadata = {
        "clip.format": "1",
        "clip.name": "default",
        "clip.license": "Apache-2.0",
        "clip.precision": "int8",  # keeps its results: README.md, Measured
        "clip.config": json.dumps(config, separators=(",", ":")),
    }
    write(args.output, tensors, metadata)
    print(f"{args.output}: {os.path.getsize(args.output) / 2**20:.2f} MiB, {len(tensors)} tensors, {len(pieces)} word pieces")


if __name__ == "__main__":
    main()
