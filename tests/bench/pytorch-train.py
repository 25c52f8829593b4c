# SPDX-License-Identifier: LGPL-2.1-or-later
"""The towers of bench-train in PyTorch, forward and backward, the way OpenCLIP and Hugging Face write them.

    OMP_NUM_THREADS=2 python3 tests/bench/pytorch-train.py [BENCH-TRAIN]

Samples per second on the clock and per second of processor time; for the latter use one thread, for OpenMP's wait actively.
Texts are cut to their 12 (10) tokens, which is PyTorch's best case: OpenCLIP pads them to 77. With the path of bench-train the
two alternate, and ratios are printed: above 1 ours is faster, or needs less memory (PyTorch: what a step adds to the peak).
"""
import os
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import nn

EMBED, VOCABULARY, CONTEXT, STEPS = 256, 8000, 77, 7
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 2)))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, heads, post_norm):
        super().__init__()
        self.post_norm = post_norm
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU() if post_norm else QuickGELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x, mask):
        if self.post_norm:
            x = self.ln_1(x + self.attn(x, x, x, need_weights=False)[0])
            return self.ln_2(x + self.mlp(x))
        n = self.ln_1(x)
        x = x + self.attn(n, n, n, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Tower(nn.Module):
    def __init__(self, kind, width, layers, heads, size, patch, tokens):
        super().__init__()
        self.kind = kind
        if kind == "vit":
            tokens = (size // patch) ** 2 + 1
            self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
            self.cls = nn.Parameter(torch.randn(width) * 0.1)
            self.position = nn.Parameter(torch.randn(tokens, width) * 0.1)
            self.norm = nn.LayerNorm(width)
        else:
            self.embedding = nn.Embedding(VOCABULARY, width)
            self.position = nn.Parameter(torch.randn(CONTEXT, width) * 0.1)
            self.norm = nn.LayerNorm(width) if kind == "bert" else nn.Identity()
        self.mask = torch.full((tokens, tokens), -torch.inf).triu(1) if kind == "text" else None
        self.blocks = nn.ModuleList(Block(width, heads, kind == "bert") for _ in range(layers))
        self.last = nn.Identity() if kind == "bert" else nn.LayerNorm(width)
        hidden = (width + EMBED) // 2
        self.head = (
            nn.Sequential(nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, EMBED, bias=False))
            if kind == "bert"
            else nn.Linear(width, EMBED, bias=False)
        )

    def forward(self, x):
        if self.kind == "vit":
            x = self.conv1(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.cls.expand(len(x), 1, -1), x], 1) + self.position
        else:
            x = self.embedding(x) + self.position[: x.shape[1]]
        x = self.norm(x)
        for block in self.blocks:
            x = block(x, self.mask)
        x = {"vit": lambda: x[:, 0], "text": lambda: x[:, -1], "bert": lambda: x.mean(1)}[self.kind]()
        return self.head(self.last(x))


# name: kind, batch, size, patch, tokens, width, layers, heads
CASES = {
    "text-4x192": ("text", 512, 0, 0, 12, 192, 4, 3),
    "minilm-6x384": ("bert", 256, 0, 0, 10, 384, 6, 12),
    "vit-tiny-64": ("vit", 64, 64, 8, 0, 192, 12, 3),
}


def run(name):
    """Samples per second, per processor second, MiB."""
    kind, batch, size, patch, tokens, width, layers, heads = CASES[name]
    tower = Tower(kind, width, layers, heads, size, patch, tokens)
    x = torch.randn(batch, 3, size, size) if kind == "vit" else torch.randint(1, VOCABULARY, (batch, tokens))
    d = torch.randn(batch, EMBED)
    before, times, used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, [], []
    for _ in range(STEPS + 1):
        start, cpu = time.perf_counter(), time.process_time()
        for p in tower.parameters():
            p.grad = None if p.grad is None else p.grad.zero_()
        tower(x).backward(d)
        times.append(time.perf_counter() - start)
        used.append(time.process_time() - cpu)
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return batch / statistics.median(times[1:]), batch / statistics.median(used[1:]), memory


def in_process(*command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return out.split()


def main():
    if sys.argv[1:2] == ["--one"]:
        print(*run(sys.argv[2]))
        return
    for name in CASES:
        own, torchs = [], []
        for _ in range(3 if sys.argv[1:] else 1):
            torchs.append([float(x) for x in in_process(sys.executable, __file__, "--one", name)])
            if sys.argv[1:]:
                words = in_process(sys.argv[1], name)
                own.append((float(words[1]), float(words[3]), float(words[words.index("tape") + 1])))
        for who, rows in ("PyTorch", torchs), ("ours", own):
            if rows:
                clock, used, memory = max(r[0] for r in rows), max(r[1] for r in rows), min(r[2] for r in rows)
                print(f"{name:14} {who:7} {clock:8.1f} samples/s {used:8.1f} per processor second {memory:7.1f} MiB")
        if own:
            ratios = [max(o[i] for o in own) / max(t[i] for t in torchs) for i in (0, 1)]
            ratios.append(min(t[2] for t in torchs) / min(o[2] for o in own))
            print(f"{name:14} ratios  {ratios[0]:8.2f} {ratios[1]:18.2f} {ratios[2]:29.2f}", flush=True)


main()
