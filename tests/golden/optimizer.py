# SPDX-License-Identifier: LGPL-2.1-or-later
# Golden values for tests/optimizer.c: 20 steps of torch.optim.AdamW on three parameters, written as optimizer.h.
#   python3 optimizer.py > optimizer.h
# Gradients are numbers that C makes the same: g[i] at step s = sin (0.37 i + 0.91 s + 1.3 p) · 0.05 · (p + 1), in float32.
import math
import numpy as np
import torch

torch.set_num_threads(1)

def f32(x):  # the number that the configuration has, a float
    return float(np.float32(x))


STEPS, WARMUP, CLIP = 20, 5, 0.25
SIZES = [19, 16, 1]                   # a decayed matrix, a gain without decay, logit_scale
RATES = [f32(1e-2), f32(3e-3), f32(2e-2)]
DECAY = [f32(0.2), 0.0, 0.0]


def start(p):
    i = np.arange(SIZES[p])
    return torch.tensor(2.659260 if p == 2 else np.cos(0.23 * i + p), dtype=torch.float32).reshape(SIZES[p])


def gradient(p, step):
    i = np.arange(SIZES[p], dtype=np.float64)
    return torch.tensor((np.sin(0.37 * i + 0.91 * step + 1.3 * p) * 0.05 * (p + 1)).astype(np.float32))


def schedule(step):
    if step < WARMUP:
        return (step + 1) / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


w = [torch.nn.Parameter(start(p)) for p in range(3)]
optimizer = torch.optim.AdamW([{"params": [w[p]], "weight_decay": DECAY[p]} for p in range(3)], lr=1.0, betas=(f32(0.9), f32(0.98)), eps=f32(1e-6))
average = [x.detach().clone() for x in w]
norms = []
for step in range(STEPS):
    for p in range(3):
        optimizer.param_groups[p]["lr"] = RATES[p] * schedule(step)
        w[p].grad = gradient(p, step)
    norms.append(torch.nn.utils.clip_grad_norm_(w, CLIP).item())
    optimizer.step()
    with torch.no_grad():
        w[2].clamp_(0, math.log(100))
        for a, x in zip(average, w):
            a += (1 - f32(0.9)) * (x - a)


def array(name, values):
    text, line = f"static const float {name}[] = {{\n", " "
    for v in values:
        item = f" {v:.9g}f,".replace("f,", "f,") if "." in f"{v:.9g}" or "e" in f"{v:.9g}" else f" {v:.9g}.f,"
        if len(line) + len(item) > 100:
            text += line + "\n"
            line = " "
        line += item
    return text + line + "\n};"


print("/* SPDX-License-Identifier: LGPL-2.1-or-later */")
print("/* Made by optimizer.py with torch " + torch.__version__.split("+")[0] + ". */")
print(array("golden_norms", norms))
for p in range(3):
    state = optimizer.state[w[p]]
    print(array(f"golden_w{p}", w[p].detach().tolist()))
    print(array(f"golden_average{p}", average[p].tolist()))
    print(array(f"golden_first{p}", state["exp_avg"].tolist()))
    print(array(f"golden_second{p}", state["exp_avg_sq"].tolist()))
