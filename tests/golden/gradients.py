#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Gradients of tiny towers in float64, by PyTorch, for tests/train-towers.c.

    python3 tests/golden/gradients.py [NAME …]        writes tests/golden/gradients-NAME.safetensors

Weights, pixels and the gradient of the features are numbers that both sides compute from a tensor's name and shape
(numbers()), so a file has only what comes out: "features", "tokens" where the tower reads those, "gradient.NAME" for every
parameter in the shape it has in files, "after.NAME" for buffers that a training pass changes.

A tower is a function (p, input) → features; p (name, shape …) is a parameter, p.buffer (name, shape …) a tensor that has no
gradient and may be changed in place. A new one is a function and a row of TOWERS.
"""
import json
import math
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

B, E = 3, 21


def numbers(name, n):
    """n float64 in -1 … 1, multiples of 2^-23: SplitMix64 from the FNV-1a hash of the name."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1


def weights(name, shape):
    """As a network has them: gains and variances about 1, matrices by their inputs; float32."""
    u = numbers(name, math.prod(shape))
    if len(shape) > 1:
        u = math.sqrt(3 / math.prod(shape[1:])) * u
    elif name.endswith(".running_var"):
        u = 1 + 0.5 * u
    elif name.endswith(".weight"):
        u = 1 + 0.3 * u
    else:
        u = 0.2 * u
    return torch.from_numpy(u.astype(np.float32).astype(np.float64).reshape(shape))


class Parameters:
    def __init__(self):
        self.all, self.buffers = {}, {}

    def __call__(self, name, *shape):
        self.all[name] = weights(name, shape).requires_grad_()
        return self.all[name]

    def buffer(self, name, *shape):
        self.buffers[name] = weights(name, shape)
        return self.buffers[name]


# ------------------------------------------------------------------------------------------------------- transformers


def norm(p, x, name, epsilon=1e-5):
    c = x.shape[-1]
    return F.layer_norm(x, (c,), p(name + ".weight", c), p(name + ".bias", c), epsilon)


def linear(p, x, name, out):
    return F.linear(x, p(name + ".weight", out, x.shape[-1]), p(name + ".bias", out))


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


def attend(q, k, v, heads, causal=False):
    """[T, C] each"""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(0, 1) for x in (q, k, v))
    scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), -math.inf)
    return (scores.softmax(-1) @ v).transpose(0, 1).flatten(1)


def blocks(p, sequences, prefix, layers, heads, mlp, activation, causal):
    """Pre-norm blocks over a list of [T, C]."""
    for i in range(layers):
        name, c = f"{prefix}.{i}.", sequences[0].shape[-1]
        w, bias = p(name + "attn.in_proj_weight", 3 * c, c), p(name + "attn.in_proj_bias", 3 * c)
        ends = np.cumsum([0] + [len(x) for x in sequences])
        x = torch.cat(sequences)
        qkv = F.linear(norm(p, x, name + "ln_1"), w, bias)
        y = torch.cat([attend(*qkv[a:b].chunk(3, -1), heads, causal) for a, b in zip(ends, ends[1:])])
        x = x + linear(p, y, name + "attn.out_proj", c)
        hidden = activation(linear(p, norm(p, x, name + "ln_2"), name + "mlp.c_fc", mlp))
        x = x + linear(p, hidden, name + "mlp.c_proj", c)
        sequences = [x[a:b] for a, b in zip(ends, ends[1:])]
    return sequences


def vit(p, pixels, patch=5, c=36, layers=2, heads=3, mlp=50):
    x = F.conv2d(pixels, p("visual.conv1.weight", c, 3, patch, patch), stride=patch).flatten(2).transpose(1, 2)
    x = torch.cat([p("visual.class_embedding", c).expand(len(x), 1, c), x], 1)
    x = norm(p, x + p("visual.positional_embedding", x.shape[1], c), "visual.ln_pre")
    x = torch.stack(blocks(p, list(x), "visual.transformer.resblocks", layers, heads, mlp, quick_gelu, False))
    return norm(p, x[:, 0], "visual.ln_post") @ p("visual.proj", c, E)


def text(p, tokens, end=None, activation=quick_gelu, layers=3, vocabulary=70, context=13, c=36, heads=3, mlp=50):
    """All tokens, padding too: a causal tower does not see it."""
    x = p("token_embedding.weight", vocabulary, c)[tokens] + p("positional_embedding", context, c)[: tokens.shape[1]]
    x = torch.stack(blocks(p, list(x), "transformer.resblocks", layers, heads, mlp, activation, True))
    x = norm(p, x, "ln_final")
    last = tokens.argmax(-1) if end is None else (tokens == end).int().argmax(-1)
    return x[torch.arange(len(x)), last] @ p("text_projection", c, E)


def bert(p, tokens, layers=2, vocabulary=70, context=13, c=36, heads=3, mlp=50, head=44, first=None, epsilon=1e-12):
    """first: RoBERTa's position of a text's first token; those of the others count tokens that are no padding."""
    name = "text.transformer.embeddings."
    tables = [
        p(name + "word_embeddings.weight", vocabulary, c),
        p(name + "position_embeddings.weight", context + 2, c),  # more than are read
        p(name + "token_type_embeddings.weight", 2, c),
    ]
    counts = tokens != 0
    counts[:, 0] = True
    places = torch.arange(tokens.shape[1]) if first is None else first + (counts.cumsum(-1) - 1)
    x = tables[0][tokens] + tables[1][places] + tables[2][0]
    x = [row[n] for row, n in zip(norm(p, x, name + "LayerNorm", epsilon), counts)]
    ends = np.cumsum([0] + [len(row) for row in x])
    x = torch.cat(x)
    for i in range(layers):
        name = f"text.transformer.encoder.layer.{i}."
        q, k, v = (linear(p, x, name + "attention.self." + which, c) for which in ("query", "key", "value"))
        y = torch.cat([attend(q[a:b], k[a:b], v[a:b], heads) for a, b in zip(ends, ends[1:])])
        x = norm(p, x + linear(p, y, name + "attention.output.dense", c), name + "attention.output.LayerNorm", epsilon)
        hidden = F.gelu(linear(p, x, name + "intermediate.dense", mlp))
        x = norm(p, x + linear(p, hidden, name + "output.dense", c), name + "output.LayerNorm", epsilon)
    pooled = torch.stack([x[a:b].mean(0) for a, b in zip(ends, ends[1:])])
    hidden = F.gelu(F.linear(pooled, p("text.proj.0.weight", head, c)))
    return F.linear(hidden, p("text.proj.2.weight", E, head))


# ------------------------------------------------------------------------------------------------------ convolutional


def batch_norm(p, x, name, batch, epsilon):
    c = x.shape[1]
    w, bias = p(name + ".weight", c), p(name + ".bias", c)
    mean, variance = p.buffer(name + ".running_mean", c), p.buffer(name + ".running_var", c)
    return F.batch_norm(x, mean, variance, w, bias, batch, 0.1, epsilon)


def same(x, w, stride, groups=1):
    """Convolution with TensorFlow's padding."""
    n, k = x.shape[-1], w.shape[-1]
    total = max((-(-n // stride) - 1) * stride + k - n, 0)
    x = F.pad(x, [total // 2, total - total // 2] * 2)
    return F.conv2d(x, w, stride=stride, groups=groups)


LITE = [(1, 3, 1, 5), (2, 3, 2, 6), (1, 5, 3, 7), (2, 3, 2, 19), (1, 5, 2, 9), (2, 5, 1, 10), (1, 3, 2, 11)]


def lite(p, x, batch=False, stem=8, stages=LITE, features=36):
    """stages: repeat, kernel, expansion, out"""
    name = "visual.trunk."
    relu6 = lambda x, bn: F.relu6(batch_norm(p, x, bn, batch, 1e-3))
    x = relu6(same(x, p(name + "conv_stem.weight", stem, 3, 3, 3), 2), name + "bn1")
    for s, (repeat, kernel, expansion, out) in enumerate(stages):
        for i in range(repeat):
            block, stride = f"{name}blocks.{s}.{i}.", [1, 2, 2, 2, 1, 2, 1][s] if i == 0 else 1
            c, m, y = x.shape[1], x.shape[1] * expansion, x
            if s > 0:
                y = relu6(F.conv2d(y, p(block + "conv_pw.weight", m, c, 1, 1)), block + "bn1")
            y = same(y, p(block + "conv_dw.weight", m, 1, kernel, kernel), stride, m)
            y = relu6(y, block + ("bn2" if s > 0 else "bn1"))
            y = F.conv2d(y, p(block + ("conv_pwl.weight" if s > 0 else "conv_pw.weight"), out, m, 1, 1))
            y = batch_norm(p, y, block + ("bn3" if s > 0 else "bn2"), batch, 1e-3)
            x = y + x if stride == 1 and c == out else y
    x = relu6(F.conv2d(x, p(name + "conv_head.weight", features, x.shape[1], 1, 1)), name + "bn2").mean((2, 3))
    return linear(p, x, "visual.head.proj", E)


def lite_batch(p, x):
    return lite(p, x, True)


def resnet(p, x, batch=True, width=2, counts=(1, 2, 1, 1), heads=2):
    name = "visual."
    norm = lambda x, bn: batch_norm(p, x, name + bn, batch, 1e-5)
    conv = lambda x, w, out, k=1, stride=1: F.conv2d(
        x, p(f"{name}{w}.weight", out, x.shape[1], k, k), stride=stride, padding=k // 2
    )
    x = F.relu(norm(conv(x, "conv1", width // 2, 3, 2), "bn1"))
    x = F.relu(norm(conv(x, "conv2", width // 2, 3), "bn2"))
    x = F.avg_pool2d(F.relu(norm(conv(x, "conv3", width, 3), "bn3")), 2)
    for stage, count in enumerate(counts):
        for i in range(count):
            block, planes, stride = f"layer{stage + 1}.{i}.", width << stage, 2 if stage and i == 0 else 1
            y = F.relu(norm(conv(x, block + "conv1", planes), block + "bn1"))
            y = F.avg_pool2d(F.relu(norm(conv(y, block + "conv2", planes, 3), block + "bn2")), stride)
            y = norm(conv(y, block + "conv3", 4 * planes), block + "bn3")
            if i == 0:
                x = conv(F.avg_pool2d(x, stride), block + "downsample.0", 4 * planes)
                x = norm(x, block + "downsample.1")
            x = F.relu(x + y)
    c = x.shape[1]
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([x.mean(1, keepdim=True), x], 1) + p(name + "attnpool.positional_embedding", x.shape[1] + 1, c)
    q = linear(p, x[:, :1], name + "attnpool.q_proj", c)
    k, v = (linear(p, x, f"{name}attnpool.{which}_proj", c) for which in "kv")
    pooled = torch.cat([attend(*qkv, heads) for qkv in zip(q, k, v)])
    return linear(p, pooled, name + "attnpool.c_proj", E)


def resnet_running(p, x):
    return resnet(p, x, False)


# -------------------------------------------------------------------------------------------------------------- table

# Texts that end early, at once, and never; with id 0 (BERT's padding) inside.
TOKENS = [
    [67, 3, 0, 9, 69, 0, 0, 0, 0, 0, 0],
    [69, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [5, 6, 7, 8, 9, 6, 6, 12, 13, 14, 15],
]


LONG_TOKENS = [[(7 * i + b) % 60 + 1 for i in range(length)] + [69] + [0] * (39 - length) for b, length in enumerate((39, 20, 33))]


def roberta(p, tokens):
    return bert(p, tokens, layers=1, c=24, heads=2, mlp=40, head=16, first=1, epsilon=1e-5)


def text_end(p, tokens):
    return text(p, tokens, end=9, activation=F.gelu, layers=1)


def text_long(p, tokens):
    return text(p, tokens, layers=2, context=41, c=24, heads=2, mlp=40)


def vit_long(p, pixels):
    return vit(p, pixels, c=24, layers=2, heads=2, mlp=40)


# name: (tower, side of its pictures or the texts); "long": more tokens than a head of attention multiplies by itself
TOWERS = {
    "vit": (vit, 15),
    "vit-long": (vit_long, 30),
    "text": (text, TOKENS),
    "text-end": (text_end, TOKENS),
    "text-long": (text_long, LONG_TOKENS),
    "bert": (bert, TOKENS),
    "roberta": (roberta, TOKENS),
    "lite": (lite, 37),
    "lite-batch": (lite_batch, 37),
    "resnet": (resnet, 64),
    "resnet-running": (resnet_running, 64),
}


def write(path, tensors):
    header, data = {}, b""
    for name, x in tensors.items():
        dtype = {"float32": "F32", "int32": "I32", "uint8": "U8"}[x.dtype.name]
        header[name] = {"dtype": dtype, "shape": list(x.shape), "data_offsets": [len(data), len(data) + x.nbytes]}
        data += x.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    for name in sys.argv[1:] or TOWERS:
        tower, what = TOWERS[name]
        p, tensors = Parameters(), {}
        if isinstance(what, int):
            shape = (B, 3, what, what)
            given = torch.from_numpy(2 * numbers("pixels", math.prod(shape)).reshape(shape))
        else:
            given = torch.tensor(what)
            tensors["tokens"] = np.array(what, np.int32)
        features = tower(p, given)
        features.backward(torch.from_numpy(numbers("d_features", features.numel())).reshape(features.shape))
        tensors["features"] = features.detach().numpy().astype(np.float32)
        for key, x in p.all.items():
            tensors["gradient." + key] = x.grad.numpy().astype(np.float32)
        for key, x in p.buffers.items():
            tensors["after." + key] = x.numpy().astype(np.float32)
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"gradients-{name}.safetensors")
        write(path, tensors)
        print(path, os.path.getsize(path))


if __name__ == "__main__":
    main()
