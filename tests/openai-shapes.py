#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random checkpoints of the sizes that OpenAI published, as TorchScript archives like theirs: does `inspect` count their
parameters, and find the towers they have; does `embed` run a picture, in how much memory and time? Opt-in: they take up to
1.3 GB of disk each, one after the other, and 4 GB of memory.

    python3 tests/openai-shapes.py build/gst/cli/gst-clip [NAME …]        all nine, or those

Needs PyTorch. Weights are float16 where OpenAI's are: matrices and biases of linear and convolution layers."""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import torch
from torch import nn

# name: image size, patch size (0: ResNet), width, layers, embedding, text width, parameters as published with the models
SHAPES = {
    "RN50": (224, 0, 64, (3, 4, 6, 3), 1024, 512, 102_007_137),
    "RN101": (224, 0, 64, (3, 4, 23, 3), 512, 512, 119_688_033),
    "RN50x4": (288, 0, 80, (4, 6, 10, 6), 640, 640, 178_300_601),
    "RN50x16": (384, 0, 96, (6, 8, 18, 8), 768, 768, 290_979_217),
    "RN50x64": (448, 0, 128, (3, 15, 36, 10), 1024, 1024, 623_258_305),
    "ViT-B-32": (224, 32, 768, 12, 512, 512, 151_277_313),
    "ViT-B-16": (224, 16, 768, 12, 512, 512, 149_620_737),
    "ViT-L-14": (224, 14, 1024, 24, 768, 768, 427_616_513),
    "ViT-L-14-336px": (336, 14, 1024, 24, 768, 768, 427_944_193),
}


MEMORY = 24  # GiB


class Checkpoint:
    """Tensors by name, as a tree of modules."""

    def __init__(self):
        self.root = nn.Module()

    def owner(self, name):
        *path, last = name.split(".")
        module = self.root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        return module, last

    def weight(self, name, *shape, dtype=torch.float16):
        module, last = self.owner(name)
        value = torch.empty(shape, dtype=torch.float32).normal_(0, 0.02).to(dtype)
        module.register_parameter(last, nn.Parameter(value, requires_grad=False))

    def floats(self, name, *shape):
        self.weight(name, *shape, dtype=torch.float32)

    def buffer(self, name, value):
        module, last = self.owner(name)
        module.register_buffer(last, value)

    def linear(self, name, out, into):
        self.weight(name + ".weight", out, into)
        self.weight(name + ".bias", out)

    def norm(self, name, width):
        self.floats(name + ".weight", width)
        self.floats(name + ".bias", width)

    def batch_norm(self, name, width):
        self.norm(name, width)
        self.buffer(name + ".running_mean", torch.zeros(width))
        self.buffer(name + ".running_var", torch.ones(width))
        self.buffer(name + ".num_batches_tracked", torch.tensor(1))

    def transformer(self, name, width, layers):
        for i in range(layers):
            block = f"{name}.resblocks.{i}"
            self.weight(block + ".attn.in_proj_weight", 3 * width, width)
            self.weight(block + ".attn.in_proj_bias", 3 * width)
            self.linear(block + ".attn.out_proj", width, width)
            self.norm(block + ".ln_1", width)
            self.linear(block + ".mlp.c_fc", 4 * width, width)
            self.linear(block + ".mlp.c_proj", width, 4 * width)
            self.norm(block + ".ln_2", width)

    def vit(self, size, patch, width, layers, embed):
        self.floats("visual.class_embedding", width)
        self.floats("visual.positional_embedding", (size // patch) ** 2 + 1, width)
        self.weight("visual.proj", width, embed)
        self.weight("visual.conv1.weight", width, 3, patch, patch)
        self.norm("visual.ln_pre", width)
        self.transformer("visual.transformer", width, layers)
        self.norm("visual.ln_post", width)

    def resnet(self, size, width, layers, embed):
        for i, (out, into) in enumerate([(width // 2, 3), (width // 2, width // 2), (width, width // 2)], 1):
            self.weight(f"visual.conv{i}.weight", out, into, 3, 3)
            self.batch_norm(f"visual.bn{i}", out)
        into = width
        for layer, blocks in enumerate(layers, 1):
            planes = width << (layer - 1)
            for b in range(blocks):
                block = f"visual.layer{layer}.{b}"
                for i, (y, x, k) in enumerate([(planes, into, 1), (planes, planes, 3), (4 * planes, planes, 1)], 1):
                    self.weight(f"{block}.conv{i}.weight", y, x, k, k)
                    self.batch_norm(f"{block}.bn{i}", y)
                if b == 0:
                    self.weight(block + ".downsample.0.weight", 4 * planes, into, 1, 1)
                    self.batch_norm(block + ".downsample.1", 4 * planes)
                into = 4 * planes
        self.floats("visual.attnpool.positional_embedding", (size // 32) ** 2 + 1, into)
        for name, out in (("k", into), ("q", into), ("v", into), ("c", embed)):
            self.linear(f"visual.attnpool.{name}_proj", out, into)

    def text(self, width, embed):
        self.floats("positional_embedding", 77, width)
        self.weight("text_projection", width, embed)
        self.floats("logit_scale")
        self.transformer("transformer", width, 12)
        self.floats("token_embedding.weight", 49408, width)
        self.norm("ln_final", width)


def write(path, size, patch, width, layers, embed, text_width):
    torch.manual_seed(0)
    checkpoint = Checkpoint()
    if patch:
        checkpoint.vit(size, patch, width, layers, embed)
    else:
        checkpoint.resnet(size, width, layers, embed)
    checkpoint.text(text_width, embed)
    for name, value in (("input_resolution", size), ("context_length", 77), ("vocab_size", 49408)):
        checkpoint.buffer(name, torch.tensor(value))
    torch.jit.script(checkpoint.root).save(path)


def write_picture(path, width=640, height=480):
    """A PNG of two slopes and their product."""
    rows = b"".join(bytes([0]) + bytes(v for x in range(width) for v in (x & 255, y & 255, x * y & 255)) for y in range(height))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        ):
            file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))


# Small, so that what it starts does not begin with the memory that is resident here.
MEASURE = """
import json, resource, subprocess, sys, time
start = time.monotonic()
run = subprocess.run(sys.argv[1:], capture_output=True, text=True)
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([run.returncode, run.stdout, run.stderr, time.monotonic() - start, use.ru_utime + use.ru_stime, use.ru_maxrss]))
"""


def embed(program, model, picture, length):
    """What is wrong, and in words what it took."""
    command = [sys.executable, "-c", MEASURE, program, "embed", "--threads", "1", "--model", model, "--image", picture]
    measured = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    status, output, error, seconds, cpu, kibibytes = json.loads(measured)
    feature = json.loads(output)["embedding"] if status == 0 else []
    norm, gibibytes = math.sqrt(sum(x * x for x in feature)), kibibytes / 2**20
    wrong = []
    if status or len(feature) != length or not abs(norm - 1) < 1e-4:
        wrong.append(f"embed ended with {status} and {len(feature)} numbers of norm {norm}, expected {length}, of 1: {error}")
    if gibibytes >= MEMORY:
        wrong.append(f"embed took {gibibytes:.2f} GiB, expected less than {MEMORY}")
    return wrong, f"loaded, a picture embedded in {cpu:.1f} s of a processor ({seconds:.1f} s), {gibibytes:.2f} GiB at most"


def main(program, names):
    failures = 0
    for name in names or SHAPES:
        *shape, parameters = SHAPES[name]
        with tempfile.TemporaryDirectory() as folder:
            path, picture = os.path.join(folder, name + ".pt"), os.path.join(folder, "picture.png")
            write(path, *shape)
            write_picture(picture)
            run = subprocess.run([program, "inspect", path], capture_output=True, text=True)
            ran, took = embed(program, path, picture, shape[4])
        found = json.loads(run.stdout) if run.returncode == 0 else {"error": run.stderr.strip()}
        expected = {
            "container": "torchscript", "naming": "openai", "weights": "f16", "parameters": parameters, "embed_dim": shape[4],
            "image_size": shape[0], "vocab_size": 49408, "tokenizer": {"kind": "bpe", "vocab_size": 49408}, "warnings": [],
        }  # fmt: skip
        wrong = [f"{k} is {found.get(k)!r}, expected {v!r}" for k, v in expected.items() if found.get(k) != v] + ran
        failures += bool(wrong)
        what = f"{found.get('parameters', 0):,} parameters; {took}"
        print(f"{'not ok' if wrong else 'ok'} - {name}: {what}", *wrong, sep="\n  ", flush=True)
        if "error" in found:
            print(" ", found["error"])
    return failures


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]) != 0)
