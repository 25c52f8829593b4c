# SPDX-License-Identifier: LGPL-2.1-or-later
"""Labels × CLIP's 80 templates through ViT-B/32's text tower: gst-clip's whole way from names to rows, and ONNX Runtime's
float32 on full contexts of 77 tokens, extrapolated from some texts; in turn, medians of processor time per text.

    pip install numpy onnx onnxruntime openvino
    taskset -c 0 python3 tests/bench/texts.py build/tests/bench-texts LABELS [--templates N] [--rounds N] [--threads N]
"""
import argparse
import os
import re
import subprocess
import tempfile
import time

import numpy as np
from onnx import TensorProto

from peers import Graph, blocks, norm, onnxruntime

WIDTH, LAYERS, HEADS, TOKENS, VOCABULARY, EMBED = 512, 12, 8, 77, 49408, 512
TEXTS, BATCH = 256, 64  # ONNX Runtime's: all, and at a time


def tower():
    g = Graph()
    mask = np.triu(np.full((TOKENS, TOKENS), -np.inf, np.float32), 1)
    x = g("Add", g("Gather", g.weight(VOCABULARY, WIDTH), "x"), g.weight(TOKENS, WIDTH))
    x = norm(g, blocks(g, x, TOKENS, WIDTH, LAYERS, HEADS, mask), WIDTH)
    x = g("Squeeze", g("GatherND", x, g("ArgMax", "x", axis=1, keepdims=1), batch_dims=1))
    return g, g("MatMul", x, g.weight(WIDTH, EMBED, scale=WIDTH ** -0.5))


def theirs(run, ids):
    before = time.process_time()
    for i in range(0, len(ids), BATCH):
        run(ids[i:i + BATCH])
    return (time.process_time() - before) * 1e3 / len(ids)


def ours(options, precision):
    text = subprocess.run([options.program, options.labels, str(options.templates), str(options.threads), precision],
                          check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) ms of processor time", text).group(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("labels")
    parser.add_argument("--templates", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precisions", nargs="+", default=["f32", "bf16", "int8"])
    options = parser.parse_args()
    ids = np.random.default_rng(0).integers(0, VOCABULARY - 2, (TEXTS, TOKENS))
    ids[:, 9] = VOCABULARY - 1
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "text.onnx")
        graph, out = tower()
        graph.save(path, [BATCH, TOKENS], out, TensorProto.INT64)
        run = onnxruntime(path, options.threads, "")
        run(ids[:BATCH])
        times = {"onnxruntime f32": []} | {f"gst-clip {p}": [] for p in options.precisions}
        for _ in range(options.rounds):
            times["onnxruntime f32"].append(theirs(run, ids))
            for precision in options.precisions:
                times[f"gst-clip {precision}"].append(ours(options, precision))
    whole = float(np.median(times["onnxruntime f32"]))
    for name, t in times.items():
        print(f"{name:<16} {np.median(t):8.3f} ms a text  ({', '.join(f'{v:.3f}' for v in t)})  "
              f"ratio {np.median(t) / whole:.4f}", flush=True)


main()
