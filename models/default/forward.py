# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two towers in numpy, BERT and EfficientNet-Lite as core/model/ has them, for the sake of what enters each matrix.

Values are [2, …], those of the float model and those of the rounded one (Weights of rounding.py, which fits and rounds each matrix
on the way)."""
import numpy as np

BERT = "text.transformer."
TRUNK = "visual.trunk."
FRONT = 5  # stages of the image tower that have no int8: they run once, with what f16 leaves of their weights


def count(w, pattern):
    n = 0
    while pattern.format(n) in w:
        n += 1
    return n


# -------------------------------------------------------------------------------------------------------------------- text


def gelu(x):
    """x · Φ(x), in place; erf as in Abramowitz & Stegun 7.1.26, to 1.5e-7."""
    for rows in np.array_split(x.reshape(-1, x.shape[-1]), max(1, x.size >> 20)):
        z = np.abs(rows) * np.float32(0.5**0.5)
        t = 1 / (1 + np.float32(0.3275911) * z)
        tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * np.exp(-z * z)
        rows *= 0.5 * (1 + np.sign(rows) * (1 - tail))
    return x


def layer_norm(w, name, x):
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * w.pair(name + ".weight")[:, None] + w.pair(name + ".bias")[:, None]


def attend(q, k, v, heads, groups):
    out = np.empty_like(q)
    for i in range(2):
        for tokens, shape in groups:
            a, b, c = (x[i, tokens].reshape(*shape, heads, -1).transpose(0, 2, 1, 3) for x in (q, k, v))
            score = a @ b.transpose(0, 1, 3, 2) / np.float32(a.shape[-1] ** 0.5)
            score = np.exp(score - score.max(-1, keepdims=True))
            mixed = score / score.sum(-1, keepdims=True) @ c
            out[i, tokens] = mixed.transpose(0, 2, 1, 3).reshape(-1, q.shape[-1])
    return out


def encode_texts(w, texts, fitted, heads):
    """Lists of ids, shorter ones first, and which of them are to be fitted → [2, n, E]. The tokens of all texts lie one after the
    other; those of texts of one length are a group."""
    lengths = [len(text) for text in texts]
    groups, begin = [], 0
    for length in sorted(set(lengths)):
        n = lengths.count(length)
        groups.append((slice(begin, begin + n * length), (n, length)))
        begin += n * length
    w.fitted = np.repeat(fitted, lengths)

    def linear(name, x, short=None):
        return w.product(name + ".weight", x, name + ".bias", 1, short) + w.pair(name + ".bias")[:, None]

    ids, places = np.concatenate(texts), np.concatenate([np.arange(n) for n in lengths])
    table = BERT + "embeddings.{}_embeddings.weight"
    x = w.rows(table.format("word"), ids) + w.pair(table.format("position"))[:, places]
    x = layer_norm(w, BERT + "embeddings.LayerNorm", x + w.pair(table.format("token_type"))[:, :1])
    for i in range(count(w, BERT + "encoder.layer.{}.output.dense.weight")):
        layer = f"{BERT}encoder.layer.{i}."
        q, k, v = (linear(f"{layer}attention.self.{part}", x) for part in ("query", "key", "value"))
        x = x + linear(layer + "attention.output.dense", attend(q, k, v, heads, groups), x[0] - x[1])
        x = layer_norm(w, layer + "attention.output.LayerNorm", x)
        x = x + linear(layer + "output.dense", gelu(linear(layer + "intermediate.dense", x)), x[0] - x[1])
        x = layer_norm(w, layer + "output.LayerNorm", x)
    pooled = np.concatenate([x[:, tokens].reshape(2, *shape, -1).mean(2) for tokens, shape in groups], 1)
    w.fitted = fitted
    return w.product("text.proj.2.weight", gelu(w.product("text.proj.0.weight", pooled)))


# ------------------------------------------------------------------------------------------------------------------- image


def relu6(x):
    return np.clip(x, 0, 6)


def windows(x, kernel, stride):
    """[…, h, w, C] → for each place in the kernel what lies under it, […, h/s, w/s, C]. Padding is TensorFlow's SAME."""
    out = -(-x.shape[-2] // stride)
    last = (out - 1) * stride + 1
    pad = max(last - 1 + kernel - x.shape[-2], 0)
    x = np.pad(x, [(0, 0)] * (x.ndim - 3) + [(pad // 2, pad - pad // 2)] * 2 + [(0, 0)])
    for i in range(kernel):
        for j in range(kernel):
            yield x[..., i : i + last : stride, j : j + last : stride, :]


def fold(w, name):
    """BatchNorm → factor and addend, [2, C]"""
    weight, bias, mean, var = (w.pair(f"{name}.{part}") for part in ("weight", "bias", "running_mean", "running_var"))
    factor = weight / np.sqrt(var + np.float32(1e-3))
    return factor, bias - mean * factor


class Front:
    """Stem and the first stages: [R, R, 3] → [r, r, C], one picture at a time. BatchNorm is folded."""

    def __init__(self, w):
        factor, self.addend = (t[1] for t in fold(w, TRUNK + "bn1"))
        weight = w.pair(TRUNK + "conv_stem.weight")[1]  # [S, 3, 3, 3]
        self.stem = (weight.transpose(2, 3, 1, 0) * factor).reshape(9, 3, -1)
        self.blocks = [
            self.fold_block(w, f"{TRUNK}blocks.{stage}.{i}.", stage)
            for stage in range(FRONT)
            for i in range(count(w, f"{TRUNK}blocks.{stage}.{{}}.conv_dw.weight"))
        ]

    @staticmethod
    def fold_block(w, block, stage):
        """→ convolutions (matrix [in, out] or kernel [k², C], addend), stride, whether the input is added"""
        convs = []
        for conv, norm in zip(("conv_dw", "conv_pw") if stage == 0 else ("conv_pw", "conv_dw", "conv_pwl"), ("bn1", "bn2", "bn3")):
            factor, addend = (t[1] for t in fold(w, block + norm))
            weight = w.pair(f"{block}{conv}.weight")[1]
            convs.append((weight.reshape(len(weight), -1).T * factor, addend))
        first = block.endswith(".0.")
        return convs, (1, 2, 2, 2, 1)[stage] if first else 1, not first

    def __call__(self, x):
        x = relu6(sum(y @ k for y, k in zip(windows(x, 3, 2), self.stem)) + self.addend)
        for convs, stride, added in self.blocks:
            y = x
            if len(convs) == 3:
                y = relu6(y @ convs[0][0] + convs[0][1])
            kernel, addend = convs[-2]
            y = relu6(sum(a * k for a, k in zip(windows(y, int(len(kernel) ** 0.5), stride), kernel)) + addend)
            y = y @ convs[-1][0] + convs[-1][1]
            x = x + y if added else y
        return x


def depthwise(w, conv, norm, x, stride):
    factor, addend = fold(w, norm)
    weight = w.pair(conv + ".weight")  # [2, M, 1, k, k]
    kernel = weight.reshape(*weight.shape[:2], -1).transpose(0, 2, 1) * factor[:, None]
    out = np.empty((*x.shape[:2], *(-(-n // stride) for n in x.shape[2:4]), x.shape[4]), np.float32)
    for i in range(2):
        for n in range(0, len(x[i]), 8):  # as many as caches hold
            out[i, n : n + 8] = addend[i]
            for y, k in zip(windows(x[i, n : n + 8], weight.shape[-1], stride), kernel[i]):
                out[i, n : n + 8] += y * k
    return relu6(out)


def pointwise(w, conv, norm, x, added=None):
    """x [2, n, h, w, C] → convolved and normalised, and to what is added if anything."""
    factor, _ = fold(w, norm)
    short = None if added is None else ((added[0] - added[1]) / factor[0]).reshape(-1, len(factor[0]))
    y = w.product(conv + ".weight", x.reshape(2, -1, x.shape[-1]), norm + ".running_mean", -1, short)
    factor, addend = fold(w, norm)
    y = (y * factor[:, None] + addend[:, None]).reshape(*x.shape[:-1], -1)
    return y if added is None else added + y


def encode_pictures(w, pictures, fitted):
    """[R, R, 3] each, and which of them are to be fitted → [2, n, E]"""
    front = Front(w)
    x = np.stack([front(picture) for picture in pictures])
    fitted = fitted[: len(x)]
    x = np.stack([x, x])
    for stage in (5, 6):
        for i in range(count(w, f"{TRUNK}blocks.{stage}.{{}}.conv_dw.weight")):
            block = f"{TRUNK}blocks.{stage}.{i}."
            w.fitted = np.repeat(fitted, x.shape[2] * x.shape[3])
            y = relu6(pointwise(w, block + "conv_pw", block + "bn1", x))
            y = depthwise(w, block + "conv_dw", block + "bn2", y, 2 if i == 0 and stage == 5 else 1)
            w.fitted = np.repeat(fitted, y.shape[2] * y.shape[3])
            x = pointwise(w, block + "conv_pwl", block + "bn3", y, x if i > 0 else None)
    x = relu6(pointwise(w, TRUNK + "conv_head", TRUNK + "bn2", x)).mean((2, 3))
    w.fitted = fitted
    name = "visual.head.proj."
    return w.product(name + "weight", x, name + "bias") + w.pair(name + "bias")[:, None]
