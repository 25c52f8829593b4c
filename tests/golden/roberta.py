#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tiny CLIP whose text tower is RoBERTa as OpenCLIP wraps it, by PyTorch in float64, for tests/roberta.c.

    python3 tests/golden/roberta.py                 after multilingual.py; writes tests/golden/roberta.safetensors
    python3 tests/golden/roberta.py SEED DIRECTORY  another one, wider and deeper, for GST_CLIP_ROBERTA=DIRECTORY/roberta.safetensors
                                                    build/tests/test-roberta

State dicts have the names of published files. The file has weights in float16, and

    HEAD.NAME                      heads: "mlp" (two layers), "linear", "none" (whose embeddings are as wide as the tower)
    clip.tokens [texts, context]   of some texts of text/roberta.jsonl, then of text/xlm.jsonl, padded with 1
    clip.features.POOLER.HEAD      of those; POOLER: OpenCLIP's mean_pooler, cls_pooler, cls_last_hidden_state_pooler
"""
import json
import pathlib
import struct
import sys

import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).parent
PAD, EPSILON = 1, 1e-5
TINY = dict(c=24, heads=2, mlp=60, layers=2, context=24, embed=20)
LARGE = dict(c=192, heads=3, mlp=768, layers=6, context=77, embed=128)


class Embeddings(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.word_embeddings = nn.Embedding(s["vocabulary"], s["c"], padding_idx=PAD)
        self.position_embeddings = nn.Embedding(s["context"] + PAD + 1, s["c"], padding_idx=PAD)
        self.token_type_embeddings = nn.Embedding(1, s["c"])
        self.LayerNorm = nn.LayerNorm(s["c"], eps=EPSILON)
        self.register_buffer("position_ids", torch.arange(s["context"] + PAD + 1)[None])  # published files have it

    def forward(self, tokens):
        mask = (tokens != PAD).long()
        places = mask.cumsum(1) * mask + PAD
        x = self.word_embeddings(tokens) + self.position_embeddings(places) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(x)


class SelfAttention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads = s["heads"]
        self.query, self.key, self.value = (nn.Linear(s["c"], s["c"]) for _ in range(3))

    def forward(self, x, mask):
        q, k, v = (layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        scores = scores.masked_fill(mask[:, None, None] == 0, float("-inf"))
        return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


class Output(nn.Module):
    def __init__(self, s, inputs):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(inputs, s["c"]), nn.LayerNorm(s["c"], eps=EPSILON)

    def forward(self, y, x):
        return self.LayerNorm(self.dense(y) + x)


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.attention = nn.Module()
        self.attention.self, self.attention.output = SelfAttention(s), Output(s, s["c"])
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(s["c"], s["mlp"])
        self.output = Output(s, s["mlp"])

    def forward(self, x, mask):
        x = self.attention.output(self.attention.self(x, mask), x)
        return self.output(F.gelu(self.intermediate.dense(x)), x)


class Roberta(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.embeddings = Embeddings(s)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(Layer(s) for _ in range(s["layers"]))
        self.pooler = nn.Module()
        self.pooler.dense = nn.Linear(s["c"], s["c"])

    def forward(self, tokens):
        """Every pooler's answer."""
        mask = (tokens != PAD).long()
        x = self.embeddings(tokens)
        for layer in self.encoder.layer:
            x = layer(x, mask)
        return {
            "mean_pooler": (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True),
            "cls_pooler": torch.tanh(self.pooler.dense(x[:, 0])),
            "cls_last_hidden_state_pooler": x[:, 0],
        }


class Visual(nn.Module):
    """The smallest image tower that loads; tests/towers.c computes such."""

    def __init__(self, s):
        super().__init__()
        c = 16
        self.class_embedding, self.positional_embedding = nn.Parameter(torch.empty(c)), nn.Parameter(torch.empty(5, c))
        self.conv1, self.ln_pre, self.ln_post = nn.Conv2d(3, c, 4, 4, bias=False), nn.LayerNorm(c), nn.LayerNorm(c)
        block = nn.Module()
        block.ln_1, block.ln_2, block.attn = nn.LayerNorm(c), nn.LayerNorm(c), nn.MultiheadAttention(c, 1)
        block.mlp = nn.Module()
        block.mlp.c_fc, block.mlp.c_proj = nn.Linear(c, c), nn.Linear(c, c)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList([block])


def heads(s):
    c, embed = s["c"], s["embed"]
    proj = {
        "mlp": nn.Sequential(nn.Linear(c, (c + embed) // 2, bias=False), nn.GELU(), nn.Linear((c + embed) // 2, embed, bias=False)),
        "linear": nn.Linear(c, embed, bias=False),
        "none": nn.Identity(),
    }
    modules = nn.ModuleDict()
    for name, layer in proj.items():
        head = modules[name] = nn.Module()
        head.text, head.visual = nn.Module(), nn.Module()
        head.text.proj = layer
        head.visual.proj = nn.Parameter(torch.empty(16, c if name == "none" else embed))
    return modules


def randomise(model):
    for name, x in model.named_parameters():
        norm = "LayerNorm" in name or "ln_" in name
        if x.dim() > 1 and "embedding" not in name:
            u = torch.randn_like(x) / x[0].numel() ** 0.5
        else:
            u = torch.randn_like(x) * 0.5 + float(norm and name.endswith("weight"))
        x.data = u.half().double()


def read_tokens(s):
    rows = []
    for name in "roberta", "xlm":
        for line in (HERE / "text" / f"{name}.jsonl").read_text().splitlines()[::4]:
            ids = json.loads(line)["ids"]
            if len(ids) > s["context"]:
                ids = ids[: s["context"] - 1] + ids[-1:]
            rows.append(ids + [PAD] * (s["context"] - len(ids)))
    rows[1][2] = PAD  # inside a text, too
    return torch.tensor(rows)


def write(path, tensors):
    header, data = {}, b""
    for name, x in tensors.items():
        kind = {torch.float32: "F32", torch.float16: "F16", torch.int32: "I32", torch.int64: "I64"}[x.dtype]
        array = x.contiguous().numpy()
        header[name] = {"dtype": kind, "shape": list(x.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    given = len(sys.argv) > 2
    s = dict(LARGE if given else TINY)
    torch.manual_seed(int(sys.argv[1]) if given else 1)
    tokens = read_tokens(s)
    s["vocabulary"] = int(tokens.max()) + 3
    model = nn.ModuleDict({"visual": Visual(s), "text": nn.ModuleDict({"transformer": Roberta(s)})}).double().eval()
    last = heads(s).double().eval()
    randomise(model)
    randomise(last)
    with torch.no_grad():
        pooled = model["text"]["transformer"](tokens)
        features = {f"clip.features.{pooler}.{name}": head.text.proj(x).float()
                    for pooler, x in pooled.items() for name, head in last.items()}
    state = {**model.state_dict(), **last.state_dict()}
    tensors = {name: x.detach().half() if x.is_floating_point() else x for name, x in state.items()}
    tensors |= {"logit_scale": torch.tensor(2.3).half(), "clip.tokens": tokens.int(), **features}
    path = (pathlib.Path(sys.argv[2]) if given else HERE) / "roberta.safetensors"
    write(path, tensors)
    print(path, path.stat().st_size, len(tokens), "texts")


if __name__ == "__main__":
    main()
