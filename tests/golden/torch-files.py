#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""torch-files.safetensors: small files as PyTorch writes them, and the tensors that it reads from them itself.

    python3 tests/golden/torch-files.py

NAME: the file [bytes] u8; NAME:TENSOR: a tensor of it, as it is called after what parallel training puts before names."""
import argparse
import io
import json
import os
import struct
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
DTYPES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
tensors = {}


def put(name, tensor):
    size = {8: np.int64, 4: np.int32, 2: np.int16, 1: np.int8}[tensor.element_size()]
    same_bits = {np.int64: torch.int64, np.int32: torch.int32, np.int16: torch.int16, np.int8: torch.int8}[size]
    packed = tensor.detach().clone(memory_format=torch.contiguous_format)
    data = packed.view(same_bits).numpy().tobytes() if packed.dim() else packed[None].view(same_bits).numpy().tobytes()
    tensors[name] = (DTYPES[tensor.dtype], list(tensor.shape), data)


def add(name, data, state):
    tensors[name] = ("U8", [len(data)], data)
    for key, value in state.items():
        put(f"{name}:{key}", value)


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def legacy(value):
    return saved(value, _use_new_zipfile_serialization=False)


def prefixed(prefix, state):
    return OrderedDict((prefix + key, value) for key, value in state.items())


# ------------------------------------------------------------------------------------------------------- state dicts

base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
every_type = OrderedDict((f"type.{name}", (torch.arange(6) % 2 * 3).reshape(2, 3).to(dtype)) for dtype, name in DTYPES.items())
strides = OrderedDict(
    whole=base,
    transposed=base.permute(2, 0, 1),
    rows=base[1],
    columns=base[:, :, 1:3],
    every_other=base[:, ::2],
    expanded=torch.ones(1, 3).expand(2, 3),
    channels_last=torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    ones=torch.randn(1, 1, 3).permute(1, 0, 2),
    scalar=torch.tensor(2.5),
    none=torch.zeros(0, 4),
    none_transposed=torch.zeros(4, 0, 2).permute(2, 1, 0),
    parameter=nn.Parameter(torch.randn(3)),
    half=torch.randn(4, 3).half().t(),
)
plain = OrderedDict(list(every_type.items()) + list(strides.items()))
add("plain.pt", saved(plain), plain)
add("legacy.pth", legacy(plain), plain)
add("dict.pt", saved({"a": base, "b.c": base[0], "epoch": 3, "name": "x", "none": None}), {"a": base, "b.c": base[0]})

model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2, bias=False))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
model(torch.randn(5, 3, 3, 3)).sum().backward()
optimizer.step()
state = OrderedDict((k, v.detach()) for k, v in model.state_dict().items())
training = {
    "epoch": 7, "name": "run", "state_dict": prefixed("module.", state), "optimizer": optimizer.state_dict(),
    "scaler": {"scale": 65536.0, "growth_interval": 2000, "_growth_tracker": 2**40},
    "args": argparse.Namespace(lr=1e-3, betas=(0.9, 0.98), model="x"), "best": np.float64(0.5), "seed": 2**63 + 1,
    "shape": torch.Size([1, 2]), "device": torch.device("cpu"), "history": [1.0, [2], {"a": (3,)}],
}  # fmt: skip
add("training.pt", saved(training), state)
add("training.pth", legacy(training), state)
add("compiled.pt", saved(prefixed("module._orig_mod.", state)), state)
add("partly.pt", saved(OrderedDict([("module.a", base), ("b", base)])), {"module.a": base, "b": base})

# -------------------------------------------------------------------------------------------------------- TorchScript


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.randn(3, 2).t())
        self.register_buffer("steps", torch.tensor(3))
        self.register_buffer("scale", torch.randn(2, 2).bfloat16())
        self.numbers = [1, 2, 300000]
        self.ratio = 0.5

    def forward(self, x):
        return x @ self.in_proj_weight * self.ratio + self.numbers[0] + self.scale.float().sum()


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.ones([]) * 2.6)
        self.register_buffer("input_resolution", torch.tensor(224))
        shared = Inner()
        self.visual = nn.Sequential(nn.Linear(2, 2), nn.Sequential(shared, nn.Linear(3, 2)))
        self.again = shared

    def forward(self, x):
        return self.again(self.visual(x)) * self.logit_scale.exp() + self.input_resolution


def script(module):
    out = io.BytesIO()
    torch.jit.save(module, out)
    return out.getvalue()


outer = Outer().eval()
add("script.pt", script(torch.jit.script(outer)), outer.state_dict())
add("trace.pt", script(torch.jit.trace(outer, torch.randn(1, 2), check_trace=False)), outer.state_dict())

# ------------------------------------------------------------------------------------------------------------- output

header, end = {}, 0
for key, (dtype, shape, data) in tensors.items():
    header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
    end += len(data)
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch-files.safetensors"), "wb") as out:
    out.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))
