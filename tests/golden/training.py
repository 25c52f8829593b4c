#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The losses of 20 steps of AdamW on a tiny ViT and text tower in float64, by PyTorch, for tests/train.c.

    python3 tests/golden/training.py        writes tests/golden/training.safetensors: "losses" [20]

Weights and pixels are numbers () of their names, tokens those of "tokens-BATCH"; four batches take turns.
"""
import math
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gradients import Parameters, numbers, text, vit, write  # noqa: E402

STEPS, BATCHES, B, SIZE, CONTEXT, VOCABULARY = 20, 4, 8, 15, 13, 70
RATE, WARMUP, DECAY, BETAS, EPSILON, CLIP_NORM = 2e-3, 4, 0.2, (0.9, 0.98), 1e-6, 1.0


def batch(i):
    pixels = 2 * numbers(f"pixels-{i}", B * 3 * SIZE * SIZE).reshape(B, 3, SIZE, SIZE)
    ids = ((numbers(f"tokens-{i}", B * CONTEXT) + 1) / 2 * (VOCABULARY - 1)).astype(np.int64).reshape(B, CONTEXT)
    for b in range(B):  # ends at another place in each
        ids[b, 4 + b] = VOCABULARY - 1
        ids[b, 5 + b :] = 0
    return torch.from_numpy(pixels), torch.from_numpy(ids)


class Kept(Parameters):
    """The same tensors at every forward pass."""

    def __call__(self, name, *shape):
        return self.all[name] if name in self.all else super().__call__(name, *shape)


def decays(name, x):
    return x.dim() > 1 and not name.endswith("positional_embedding")


def main():
    p = Kept()
    scale = torch.tensor(math.log(1 / 0.07), dtype=torch.float32).double().requires_grad_()
    batches = [batch(i) for i in range(BATCHES)]
    vit(p, batches[0][0]), text(p, batches[0][1])
    groups = [
        {"params": [x for name, x in p.all.items() if decays(name, x)], "weight_decay": DECAY},
        {"params": [x for name, x in p.all.items() if not decays(name, x)] + [scale], "weight_decay": 0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON)
    losses = []
    for step in range(STEPS):
        factor = (step + 1) / WARMUP if step < WARMUP else (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2
        for group in optimizer.param_groups:
            group["lr"] = RATE * factor
        pixels, tokens = batches[step % BATCHES]
        i, t = F.normalize(vit(p, pixels), dim=1), F.normalize(text(p, tokens), dim=1)
        logits = scale.exp() * i @ t.T
        own = torch.arange(B)
        loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([x for group in groups for x in group["params"]], CLIP_NORM)
        optimizer.step()
        with torch.no_grad():
            scale.clamp_(0, math.log(100))
        losses.append(loss.item())
    print(losses)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "training.safetensors")
    write(path, {"losses": np.array(losses, np.float32)})


if __name__ == "__main__":
    main()
