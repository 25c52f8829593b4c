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


class Bottleneck(nn.Module):
    def __init__(self, c, planes, stride):
        super().__init__()
        out = 4 * planes
        self.conv1, self.bn1 = nn.Conv2d(c, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, out, 1, bias=False), nn.BatchNorm2d(out)
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.downsample = nn.Identity()
        if stride > 1 or c != out:
            self.downsample = nn.Sequential(self.pool, nn.Conv2d(c, out, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = nn.functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.pool(nn.functional.relu(self.bn2(self.conv2(y)), inplace=True))
        return nn.functional.relu(self.bn3(self.conv3(y)) + self.downsample(x), inplace=True)


class ResNet(nn.Module):
    """CLIP's, of two blocks a stage."""

    def __init__(self, width, heads, size):
        super().__init__()
        layers, c = [], 3
        for out, stride in (width // 2, 2), (width // 2, 1), (width, 1):
            layers += [nn.Conv2d(c, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
            c = out
        layers.append(nn.AvgPool2d(2))
        for stage in range(4):
            for i in range(2):
                layers.append(Bottleneck(c, width << stage, 2 if stage and i == 0 else 1))
                c = 4 * (width << stage)
        self.layers, self.heads, self.c = nn.Sequential(*layers), heads, c
        self.position = nn.Parameter(torch.randn((size // 32) ** 2 + 1, c) * c**-0.5)
        self.q, self.k, self.v, self.out = (nn.Linear(c, n) for n in (c, c, c, EMBED))

    def forward(self, x):
        x = self.layers(x).flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.position
        q, k, v = (f(t).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f, t in
                   ((self.q, x[:, :1]), (self.k, x), (self.v, x)))
        y = (q @ k.transpose(2, 3) / (self.c // self.heads) ** 0.5).softmax(-1) @ v
        return self.out(y.transpose(1, 2).flatten(1))


class Same(nn.Conv2d):
    """TensorFlow's padding."""

    def forward(self, x):
        n, k, stride = x.shape[-1], self.kernel_size[0], self.stride[0]
        total = max((-(-n // stride) - 1) * stride + k - n, 0)
        x = nn.functional.pad(x, [total // 2, total - total // 2] * 2)
        return nn.functional.conv2d(x, self.weight, None, stride, 0, 1, self.groups)


class Inverted(nn.Module):
    def __init__(self, c, out, kernel, stride, expansion):
        super().__init__()
        m, layers = c * expansion, []
        if expansion > 1:
            layers = [nn.Conv2d(c, m, 1, bias=False), nn.BatchNorm2d(m, 1e-3), nn.ReLU6(inplace=True)]
        layers += [Same(m, m, kernel, stride, groups=m, bias=False), nn.BatchNorm2d(m, 1e-3), nn.ReLU6(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(m, out, 1, bias=False), nn.BatchNorm2d(out, 1e-3))
        self.residual = stride == 1 and c == out

    def forward(self, x):
        return self.layers(x) + x if self.residual else self.layers(x)


class Lite(nn.Module):
    def __init__(self):
        super().__init__()
        layers, c = [Same(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, 1e-3), nn.ReLU6(inplace=True)], 32
        stages = (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112)
        for repeat, kernel, stride, expansion, out in (*stages, (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)):
            for i in range(repeat):
                layers.append(Inverted(c, out, kernel, stride if i == 0 else 1, expansion))
                c = out
        layers += [nn.Conv2d(c, 1280, 1, bias=False), nn.BatchNorm2d(1280, 1e-3), nn.ReLU6(inplace=True)]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(1280, EMBED)

    def forward(self, x):
        return self.head(self.layers(x).mean((2, 3)))


# name: kind, batch, size, patch, tokens, width, layers, heads
CASES = {
    "text-4x192": ("text", 512, 0, 0, 12, 192, 4, 3),
    "minilm-6x384": ("bert", 256, 0, 0, 10, 384, 6, 12),
    "vit-tiny-64": ("vit", 64, 64, 8, 0, 192, 12, 3),
    "resnet-64": ("resnet", 512, 64, 0, 0, 32, 0, 16),
    "lite0-160": ("lite", 32, 160, 0, 0, 0, 0, 0),
}


def run(name):
    """Samples per second, per processor second, MiB."""
    kind, batch, size, patch, tokens, width, layers, heads = CASES[name]
    towers = {"resnet": lambda: ResNet(width, heads, size), "lite": Lite}
    tower = towers.get(kind, lambda: Tower(kind, width, layers, heads, size, patch, tokens))()
    x = torch.randn(batch, 3, size, size) if size else torch.randint(1, VOCABULARY, (batch, tokens))
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
