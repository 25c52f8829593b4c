#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tiny SigLIP models by PyTorch, computed in float64, for tests/siglip.c.

    python3 tests/golden/siglip.py        writes tests/golden/siglip-{openclip,huggingface}.safetensors

Modules are named so that their state dicts have the names of published files: OpenCLIP's, whose image tower is timm's, and
Hugging Face's SiglipModel. A file has the weights (random; F32 and F16), and beside them clip.pixels, clip.tokens,
clip.image_features, clip.text_features and clip.logits [pictures, texts], the arguments of the sigmoid.
"""
import json
import os
import struct

import torch
import torch.nn.functional as F
from torch import nn

C, HEADS, MLP, LAYERS, PATCH, VOCABULARY, CONTEXT, EPSILON = 24, 2, 60, 2, 4, 40, 8, 1e-6


def norm():
    return nn.LayerNorm(C, eps=EPSILON)


class Mlp(nn.Module):
    def __init__(self, names, act):
        super().__init__()
        self.names, self.act = names, act
        self.add_module(names[0], nn.Linear(C, MLP))
        self.add_module(names[1], nn.Linear(MLP, C))

    def forward(self, x):
        first, second = (getattr(self, name) for name in self.names)
        return second(self.act(first(x)))


def attend(q, k, v):
    """[B, T, C] each"""
    q, k, v = (x.unflatten(-1, (HEADS, -1)).transpose(1, 2) for x in (q, k, v))
    return ((q @ k.transpose(-1, -2) / (C // HEADS) ** 0.5).softmax(-1) @ v).transpose(1, 2).flatten(2)


def erf(x):
    return F.gelu(x)


def tanh(x):
    return F.gelu(x, approximate="tanh")


# -------------------------------------------------------------------------------------------------- timm, and OpenCLIP


class TimmAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)

    def forward(self, x):
        return self.proj(attend(*self.qkv(x).chunk(3, -1)))


class TimmBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = norm(), TimmAttention(), norm(), Mlp(["fc1", "fc2"], erf)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class AttentionPool(nn.Module):
    def __init__(self):
        super().__init__()
        self.latent = nn.Parameter(torch.empty(1, 1, C))
        self.q, self.kv, self.proj = nn.Linear(C, C), nn.Linear(C, 2 * C), nn.Linear(C, C)
        self.norm, self.mlp = norm(), Mlp(["fc1", "fc2"], erf)

    def forward(self, x):
        x = self.proj(attend(self.q(self.latent.expand(len(x), 1, C)), *self.kv(x).chunk(2, -1)))
        return (x + self.mlp(self.norm(x)))[:, 0]


class Trunk(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, C, PATCH, PATCH)
        self.pos_embed = nn.Parameter(torch.empty(1, (size // PATCH) ** 2, C))
        self.blocks = nn.Sequential(*(TimmBlock() for _ in range(LAYERS)))
        self.norm, self.attn_pool = norm(), AttentionPool()

    def forward(self, x):
        x = self.patch_embed.proj(x).flatten(2).transpose(1, 2) + self.pos_embed
        return self.attn_pool(self.norm(self.blocks(x)))


class ResidualBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.attn = norm(), nn.MultiheadAttention(C, HEADS, batch_first=True)
        self.ln_2, self.mlp = norm(), Mlp(["c_fc", "c_proj"], tanh)

    def forward(self, x):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class OpenClipText(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, C)
        self.positional_embedding = nn.Parameter(torch.empty(CONTEXT, C))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(ResidualBlock() for _ in range(LAYERS))
        self.ln_final, self.text_projection = norm(), nn.Linear(C, C)

    def forward(self, tokens):
        x = self.token_embedding(tokens) + self.positional_embedding
        for block in self.transformer.resblocks:
            x = block(x)
        return self.text_projection(self.ln_final(x)[:, -1])


class OpenClip(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.visual = nn.Module()
        self.visual.trunk = Trunk(size)
        self.text = OpenClipText()
        self.logit_scale, self.logit_bias = nn.Parameter(torch.empty([])), nn.Parameter(torch.empty([]))

    def forward(self, pixels, tokens):
        return self.visual.trunk(pixels), self.text(tokens)


# -------------------------------------------------------------------------------------------------------- Hugging Face


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(C, C) for _ in range(4))

    def forward(self, x):
        return self.out_proj(attend(self.q_proj(x), self.k_proj(x), self.v_proj(x)))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_norm1, self.self_attn = norm(), SelfAttention()
        self.layer_norm2, self.mlp = norm(), Mlp(["fc1", "fc2"], tanh)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


def encoder():
    module = nn.Module()
    module.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
    return module


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.probe = nn.Parameter(torch.empty(1, 1, C))
        self.attention = nn.MultiheadAttention(C, HEADS, batch_first=True)
        self.layernorm, self.mlp = norm(), Mlp(["fc1", "fc2"], tanh)

    def forward(self, x):
        x = self.attention(self.probe.expand(len(x), 1, C), x, x, need_weights=False)[0]
        return (x + self.mlp(self.layernorm(x)))[:, 0]


class Vision(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.embeddings = nn.Module()
        self.embeddings.patch_embedding = nn.Conv2d(3, C, PATCH, PATCH)
        self.embeddings.position_embedding = nn.Embedding((size // PATCH) ** 2, C)
        self.encoder, self.post_layernorm, self.head = encoder(), norm(), Head()

    def forward(self, x):
        x = self.embeddings.patch_embedding(x).flatten(2).transpose(1, 2) + self.embeddings.position_embedding.weight
        for layer in self.encoder.layers:
            x = layer(x)
        return self.head(self.post_layernorm(x))


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.Module()
        self.embeddings.token_embedding = nn.Embedding(VOCABULARY, C)
        self.embeddings.position_embedding = nn.Embedding(CONTEXT, C)
        self.encoder, self.final_layer_norm, self.head = encoder(), norm(), nn.Linear(C, C)

    def forward(self, tokens):
        x = self.embeddings.token_embedding(tokens) + self.embeddings.position_embedding.weight
        for layer in self.encoder.layers:
            x = layer(x)
        return self.head(self.final_layer_norm(x)[:, -1])


class HuggingFace(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.vision_model, self.text_model = Vision(size), Text()
        self.logit_scale, self.logit_bias = nn.Parameter(torch.empty(1)), nn.Parameter(torch.empty(1))

    def forward(self, pixels, tokens):
        return self.vision_model(pixels), self.text_model(tokens)


# -------------------------------------------------------------------------------------------------------------- files

# Padding (1) behind the texts, which counts as any other token does.
TOKENS = [[5, 17, 39, 3, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1], [9, 8, 7, 6, 5, 4, 3, 2]]


def randomise(model, dtype):
    for name, x in model.named_parameters():
        if name == "logit_scale":
            u = torch.full_like(x, 2.3)
        elif name == "logit_bias":
            u = torch.full_like(x, -4.7)
        elif x.dim() > 1 and not name.endswith(("embedding.weight", "embed", "embedding", "latent", "probe")):
            u = torch.randn_like(x) / x[0].numel() ** 0.5
        else:
            u = torch.randn_like(x) * 0.5 + ("norm" in name or "ln_" in name) * name.endswith("weight")
        x.data = u.to(dtype).double()


def write(path, tensors):
    header, data = {}, b""
    for name, x in tensors.items():
        kind = {torch.float32: "F32", torch.float16: "F16", torch.int32: "I32"}[x.dtype]
        array = x.contiguous().numpy()
        header[name] = {"dtype": kind, "shape": list(x.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def main():
    # 14 is no multiple of the patches: what is beyond the last whole one is not looked at
    for name, make, size, dtype in (
        ("openclip", OpenClip, 12, torch.float32),
        ("huggingface", HuggingFace, 14, torch.float16),
    ):
        torch.manual_seed(1)
        model = make(size).double().eval()
        randomise(model, dtype)
        pixels = torch.rand(3, 3, size, size).mul(2).sub(1)
        with torch.no_grad():
            image, text = model(pixels.double(), torch.tensor(TOKENS))
            cosine = F.normalize(image, dim=-1) @ F.normalize(text, dim=-1).T
            logits = cosine * model.logit_scale.exp() + model.logit_bias
        tensors = {key: x.detach().to(dtype) for key, x in model.state_dict().items()}
        tensors["clip.pixels"] = pixels
        tensors["clip.tokens"] = torch.tensor(TOKENS, dtype=torch.int32)
        for key, x in ("image_features", image), ("text_features", text), ("logits", logits):
            tensors["clip." + key] = x.float()
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"siglip-{name}.safetensors")
        write(path, tensors)
        print(path, os.path.getsize(path), logits)


if __name__ == "__main__":
    main()
