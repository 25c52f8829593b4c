#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Variants of image towers at small width, by PyTorch in float64, for tests/variants.c.

    python3 tests/golden/variants.py        writes tests/golden/variants.safetensors

Weights and pixels are numbers that both sides compute from a name and a shape (gradients.py), so a case is a few texts and
what comes out: CASE.weights (a line for each tensor: name, shape), CASE.config (an open_clip_config.json), CASE.size (what
--image-size is given; empty: nothing), CASE.tokens, CASE.image_features and CASE.text_features.

Position embeddings are resized as OpenCLIP does it: the grid by interpolate (mode="bicubic", antialias=True,
align_corners=False), rows for no place in the picture left as they are.
"""
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

from gradients import Parameters, attend, batch_norm, linear, norm, numbers, quick_gelu, resnet, write
from gradients import blocks as transformer

B, E = 2, 16
TOKENS = [[38, 5, 17, 39, 0, 0], [38, 39, 0, 0, 0, 0]]


def tanh_gelu(x):
    return F.gelu(x, approximate="tanh")


class Stored(Parameters):
    """Without gradients; positions are resized on their way from the file to the tower."""

    def __call__(self, name, *shape):
        return super().__call__(name, *shape).detach()

    def positions(self, name, stored, grid, first, c, batched=False):
        """stored, grid: (rows, columns). [first + rows · columns, C]"""
        n = first + stored[0] * stored[1]
        x = self(name, 1, n, c)[0] if batched else self(name, n, c)
        if stored == grid:
            return x
        picture = x[first:].reshape(1, *stored, c).permute(0, 3, 1, 2)
        picture = F.interpolate(picture, size=grid, mode="bicubic", antialias=True, align_corners=False)
        return torch.cat([x[:first], picture.permute(0, 2, 3, 1).reshape(-1, c)])


def patches(p, pixels, name, c, patch, bias=False):
    weight = p(name + ".weight", c, 3, patch, patch)
    return F.conv2d(pixels, weight, p(name + ".bias", c) if bias else None, stride=patch).flatten(2).transpose(1, 2)


# ----------------------------------------------------------------------------------------------------------- OpenCLIP


def vit(p, pixels, stored, grid, patch, c, heads, activation, layers=2, pool="tok", after=False):
    x = patches(p, pixels, "visual.conv1", c, patch)
    x = torch.cat([p("visual.class_embedding", c).expand(len(x), 1, c), x], 1)
    x = norm(p, x + p.positions("visual.positional_embedding", stored, grid, 1, c), "visual.ln_pre")
    x = torch.stack(transformer(p, list(x), "visual.transformer.resblocks", layers, heads, 2 * c, activation, False))
    take = (lambda x: x[:, 0]) if pool == "tok" else (lambda x: x[:, 1:].mean(1))
    x = norm(p, take(x), "visual.ln_post") if after else take(norm(p, x, "visual.ln_post"))
    return x @ p("visual.proj", c, E)


class ResizedPool:
    """gradients.resnet () asks for the positions its picture needs."""

    def __init__(self, p, stored, grid):
        self.p, self.stored, self.grid, self.buffer = p, stored, grid, p.buffer

    def __call__(self, name, *shape):
        if name.endswith("attnpool.positional_embedding"):
            return self.p.positions(name, self.stored, self.grid, 1, shape[1])
        if name.endswith("attnpool.c_proj.weight"):
            shape = E, shape[1]
        return self.p(name, *(E,) if name.endswith("attnpool.c_proj.bias") else shape)


def modified_resnet(p, pixels, stored, grid):
    return resnet(ResizedPool(p, stored, grid), pixels, batch=False)


# --------------------------------------------------------------------------------------------------------------- timm


def timm_blocks(p, x, layers, heads, activation, epsilon):
    c = x.shape[-1]
    for i in range(layers):
        name = f"visual.trunk.blocks.{i}."
        qkv = linear(p, norm(p, x, name + "norm1", epsilon), name + "attn.qkv", 3 * c)
        y = torch.stack([attend(*one.chunk(3, -1), heads) for one in qkv])
        x = x + linear(p, y, name + "attn.proj", c)
        y = activation(linear(p, norm(p, x, name + "norm2", epsilon), name + "mlp.fc1", 2 * c))
        x = x + linear(p, y, name + "mlp.fc2", c)
    return x


def timm(p, pixels, stored, grid, patch, c, heads, activation=F.gelu, epsilon=1e-6, pre_norm=False, first=1, pool="token",
         fc_norm=False, head="linear"):  # fmt: skip
    """A VisionTransformer, and the head that OpenCLIP puts behind it."""
    trunk = "visual.trunk."
    x = patches(p, pixels, trunk + "patch_embed.proj", c, patch, bias=not pre_norm)
    if first:
        x = torch.cat([p(trunk + "cls_token", 1, 1, c).expand(len(x), 1, c), x], 1)
    x = x + p.positions(trunk + "pos_embed", stored, grid, first, c, batched=True)
    x = norm(p, x, trunk + "norm_pre", epsilon) if pre_norm else x
    x = timm_blocks(p, x, 2, heads, activation, epsilon)
    x = x if fc_norm else norm(p, x, trunk + "norm", epsilon)
    if pool == "map":
        return attention_pool(p, x, trunk + "attn_pool.", heads, epsilon)
    x = x[:, 0] if pool == "token" else x[:, first:].mean(1)
    x = norm(p, x, trunk + "fc_norm", epsilon) if fc_norm else x
    if head == "classifier":
        return linear(p, x, trunk + "head", E)
    if head == "mlp":
        x = F.gelu(linear(p, x, "visual.head.mlp.fc1", 2 * E))
        return F.linear(x, p("visual.head.mlp.fc2.weight", E, 2 * E))
    return F.linear(x, p("visual.head.proj.weight", E, c), p("visual.head.proj.bias", E) if head == "bias" else None)


def attention_pool(p, x, name, heads, epsilon):
    c = x.shape[-1]
    q = linear(p, p(name + "latent", 1, 1, c)[0], name + "q", c)
    kv = linear(p, x, name + "kv", 2 * c)
    x = torch.cat([attend(q, *one.chunk(2, -1), heads) for one in kv])
    x = linear(p, x, name + "proj", c)
    return x + linear(p, F.gelu(linear(p, norm(p, x, name + "norm", epsilon), name + "mlp.fc1", 2 * c)), name + "mlp.fc2", c)


# --------------------------------------------------------------------------------------------------------------- texts


def text(p, tokens, embed, activation, width=32, heads=2):
    x = p("token_embedding.weight", 40, width)[tokens] + p("positional_embedding", 6, width)
    x = torch.stack(transformer(p, list(x), "transformer.resblocks", 1, heads, 2 * width, activation, True))
    x = norm(p, x, "ln_final")
    return x[torch.arange(len(x)), tokens.argmax(-1)] @ p("text_projection", width, embed)


# --------------------------------------------------------------------------------------------------------------- cases

# (height, width) of the pictures, the grid that is stored, the tower, vision_cfg without sizes, --image-size
VIT = {"layers": 2, "patch_size": 4, "width": 32, "head_width": 16}
TIMM = {"timm_model_name": "vit_base_patch16_224", "timm_pool": "token", "timm_proj": "linear", "head_width": 16}
small = dict(patch=4, c=32, heads=2)
CASES = {
    "h14": ((42, 42), (3, 3), vit, dict(patch=14, c=160, heads=2, activation=F.gelu),
            {"layers": 2, "patch_size": 14, "width": 160, "head_width": 80}, ""),
    "quickgelu": ((16, 16), (4, 4), vit, dict(small, activation=quick_gelu), VIT, ""),
    "gelu-tanh": ((16, 16), (4, 4), vit, dict(small, activation=tanh_gelu), dict(VIT, act_kwargs={"approximate": "tanh"}), ""),
    "average": ((16, 16), (4, 4), vit, dict(small, activation=F.gelu, pool="avg"), dict(VIT, pool_type="avg"), ""),
    "average-norm": ((16, 16), (4, 4), vit, dict(small, activation=F.gelu, pool="avg", after=True),
                     dict(VIT, pool_type="avg", final_ln_after_pool=True), ""),
    "larger": ((28, 28), (4, 4), vit, dict(small, activation=F.gelu), VIT, "28"),
    "smaller": ((12, 12), (7, 7), vit, dict(small, activation=F.gelu), VIT, "12"),
    "wide": ((20, 36), (4, 4), vit, dict(small, activation=F.gelu), VIT, "36x20"),
    "tall": ((36, 8), (4, 4), vit, dict(small, activation=F.gelu), VIT, "8x36"),
    "stored-wide": ((8, 20), (2, 5), vit, dict(small, activation=F.gelu), VIT, ""),
    "stored-wide-resized": ((16, 16), (2, 5), vit, dict(small, activation=F.gelu), VIT, "16"),
    "configured": ((24, 24), (4, 4), vit, dict(small, activation=F.gelu), VIT, ""),
    "resnet": ((64, 64), (2, 2), modified_resnet, {}, {"layers": [1, 2, 1, 1], "width": 2, "head_width": 32}, ""),
    "resnet-larger": ((96, 96), (2, 2), modified_resnet, {}, {"layers": [1, 2, 1, 1], "width": 2, "head_width": 32}, "96"),
    "timm-token": ((16, 16), (4, 4), timm, small, TIMM, ""),
    "timm-clip": ((16, 16), (4, 4), timm, dict(small, activation=quick_gelu, epsilon=1e-5, pre_norm=True),
                  dict(TIMM, timm_model_name="vit_base_patch16_clip_quickgelu_224"), ""),
    "timm-classifier": ((16, 16), (4, 4), timm, dict(small, head="classifier"), dict(TIMM, timm_proj=None), ""),
    "timm-mlp": ((16, 16), (4, 4), timm, dict(small, head="mlp"), dict(TIMM, timm_proj="mlp"), ""),
    "timm-average": ((16, 16), (4, 4), timm, dict(small, pool="avg", head="bias"),
                     dict(TIMM, timm_pool="avg", timm_proj_bias=True), ""),
    "timm-fc-norm": ((16, 16), (4, 4), timm, dict(small, pool="avg", fc_norm=True), dict(TIMM, timm_pool="avg"), ""),
    "timm-gap": ((16, 16), (4, 4), timm, dict(small, first=0, pool="avg"),
                 dict(TIMM, timm_model_name="vit_medium_patch16_gap_256", timm_pool="avg"), ""),
    "timm-wide": ((12, 28), (4, 4), timm, small, TIMM, "28x12"),
    "siglip-b16": ((32, 48), (3, 3), timm, dict(patch=16, c=128, heads=2, first=0, pool="map"),
                   {"timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none"}, "48x32"),
}  # fmt: skip


def make(size, stored, tower, options, vision, asked):
    p = Stored()
    patch = options.get("patch", 32)
    grid = size[0] // patch, size[1] // patch
    pixels = torch.from_numpy(2 * numbers("pixels", B * 3 * math.prod(size)).reshape(B, 3, *size))
    image = tower(p, pixels, stored, grid, **options)
    activation = quick_gelu if options.get("activation") is quick_gelu and tower is vit else F.gelu
    words = text(p, torch.tensor(TOKENS), image.shape[1], activation)
    native = [patch * side for side in stored] if asked else size
    native = native[0] if native[0] == native[1] else list(native)
    config = {
        "model_cfg": {
            "embed_dim": image.shape[1],
            "quick_gelu": activation is quick_gelu,
            "vision_cfg": {"image_size": native, **vision},
            "text_cfg": {"context_length": 6, "vocab_size": 40, "width": 32, "heads": 2, "layers": 1, "norm_kwargs": {"eps": 1e-5}},
        },
        "preprocess_cfg": {"mean": [0, 0, 0], "std": [1, 1, 1]},
    }
    shapes = {name: x.shape for name, x in {**p.all, **p.buffers}.items()}
    lines = "".join(" ".join([name, *map(str, shape)]) + "\n" for name, shape in shapes.items())
    return {
        "weights": np.frombuffer(lines.encode(), np.uint8),
        "config": np.frombuffer(json.dumps(config, separators=(",", ":")).encode(), np.uint8),
        "size": np.frombuffer(asked.encode(), np.uint8),
        "tokens": np.array(TOKENS, np.int32),
        "image_features": image.numpy().astype(np.float32),
        "text_features": words.numpy().astype(np.float32),
    }


def main():
    tensors = {f"{case}.{name}": x for case, row in CASES.items() for name, x in make(*row).items()}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "variants.safetensors")
    write(path, tensors)
    print(path, os.path.getsize(path))


if __name__ == "__main__":
    main()
