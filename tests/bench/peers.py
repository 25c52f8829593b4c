# SPDX-License-Identifier: LGPL-2.1-or-later
"""Image towers with random weights in gst-clip, ONNX Runtime and OpenVINO, taking turns; medians.

One thread is measured in processor time, which a busy machine disturbs less; several threads on the clock.

    pip install numpy onnx onnxruntime openvino
    taskset -c 0 python3 tests/bench/peers.py build/tests/bench-encode [PATTERN] [--rounds N] [--threads N]

int8 is ONNX Runtime's dynamic quantisation (weights for each output), and for OpenVINO its static one (QDQ, calibrated on
noise): the fastest each has for such a tower.
"""
import argparse
import os
import re
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic,
                                      quantize_static)

rng = np.random.default_rng(0)


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.n = [], [], 0

    def weight(self, *shape, scale=None, value=None):
        self.n += 1
        name = f"w{self.n}"
        if value is None:
            value = rng.standard_normal(shape, dtype=np.float32) * (scale or 1)
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __call__(self, op, *inputs, **attributes):
        self.n += 1
        name = f"t{self.n}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def save(self, path, shape, out, dtype=TensorProto.FLOAT):
        x = helper.make_tensor_value_info("x", dtype, shape)
        y = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
        model = helper.make_model(helper.make_graph(self.nodes, "g", [x], [y], self.weights),
                                  opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, path)


def i64(*values):
    return np.array(values, dtype=np.int64)


def linear(g, x, out, inputs):
    return g("Add", g("MatMul", x, g.weight(inputs, out, scale=inputs ** -0.5)), g.weight(out))


def norm(g, x, width):
    return g("LayerNormalization", x, g.weight(width), g.weight(width), epsilon=1e-5)


def blocks(g, x, tokens, width, layers, heads, mask=None):
    """CLIP's transformer; mask: what is added to scores."""
    split = g.weight(value=i64(0, tokens, heads, width // heads))
    for _ in range(layers):
        h = norm(g, x, width)
        q, k, v = (g("Reshape", linear(g, h, width, width), split) for _ in range(3))
        q, v = (g("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
        k = g("Transpose", k, perm=[0, 2, 3, 1])
        scores = g("MatMul", g("Mul", q, g.weight(value=np.float32((width // heads) ** -0.5))), k)
        if mask is not None:
            scores = g("Add", scores, g.weight(value=mask))
        a = g("Transpose", g("MatMul", g("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = g("Add", x, linear(g, g("Reshape", a, g.weight(value=i64(0, tokens, width))), width, width))
        h = linear(g, norm(g, x, width), 4 * width, width)
        h = g("Mul", h, g("Sigmoid", g("Mul", h, g.weight(value=np.float32(1.702)))))
        x = g("Add", x, linear(g, h, width, 4 * width))
    return x


def vit(size=224, patch=32, width=768, layers=12, heads=12, embed=512):
    g = Graph()
    grid = size // patch
    tokens = grid * grid + 1
    x = g("Conv", "x", g.weight(width, 3, patch, patch, scale=0.02), strides=[patch, patch])
    x = g("Transpose", g("Reshape", x, g.weight(value=i64(0, width, -1))), perm=[0, 2, 1])
    first = g("Slice", x, g.weight(value=i64(0)), g.weight(value=i64(1)), g.weight(value=i64(1)))
    x = g("Concat", g("Add", g("Mul", first, g.weight(value=np.float32(0))), g.weight(width)), x, axis=1)
    x = norm(g, g("Add", x, g.weight(tokens, width)), width)
    x = blocks(g, x, tokens, width, layers, heads)
    x = norm(g, g("Gather", x, g.weight(value=np.int64(0)), axis=1), width)
    return g, g("MatMul", x, g.weight(width, embed, scale=width ** -0.5)), size


def rn50(size=224, width=64, layers=(3, 4, 6, 3), heads=32, embed=1024):
    """CLIP's ModifiedResNet, BatchNorm folded into the convolutions as all three do."""
    g = Graph()

    def conv(x, inputs, out, kernel=1, stride=1, relu=True):
        weight = g.weight(out, inputs, kernel, kernel, scale=(1 / (inputs * kernel * kernel)) ** 0.5)
        x = g("Conv", x, weight, g.weight(out, scale=0.1), strides=[stride, stride], pads=[kernel // 2] * 4)
        return g("Relu", x) if relu else x

    def halve(x):
        return g("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])

    half = width // 2
    x = halve(conv(conv(conv("x", 3, half, 3, 2), half, half, 3), half, width, 3))
    channels = width
    for stage, count in enumerate(layers):
        planes = width << stage
        for i in range(count):
            strided = stage > 0 and i == 0
            y = conv(conv(x, channels, planes), planes, planes, 3)
            y = conv(halve(y) if strided else y, planes, 4 * planes, relu=False)
            if i == 0:
                x = conv(halve(x) if strided else x, channels, 4 * planes, relu=False)
            x = g("Relu", g("Add", x, y))
            channels = 4 * planes

    # Attention pooling: the mean asks, all positions answer.
    tokens = (size // 32) ** 2 + 1
    x = g("Transpose", g("Reshape", x, g.weight(value=i64(0, channels, -1))), perm=[0, 2, 1])
    x = g("Add", g("Concat", g("ReduceMean", x, axes=[1], keepdims=1), x, axis=1), g.weight(tokens, channels, scale=0.02))
    asking = g("Slice", x, g.weight(value=i64(0)), g.weight(value=i64(1)), g.weight(value=i64(1)))

    def linear(x, out):
        return g("Add", g("MatMul", x, g.weight(channels, out, scale=channels ** -0.5)), g.weight(out))

    split = g.weight(value=i64(0, -1, heads, channels // heads))
    q, k, v = (g("Reshape", linear(part, channels), split) for part in (asking, x, x))
    q, v = (g("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
    k = g("Transpose", k, perm=[0, 2, 3, 1])
    scores = g("MatMul", g("Mul", q, g.weight(value=np.float32((channels // heads) ** -0.5))), k)
    pooled = g("Transpose", g("MatMul", g("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    return g, linear(g("Reshape", pooled, g.weight(value=i64(0, channels))), embed), size


STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
          (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


def lite(size, embed=512):
    g = Graph()

    def conv(x, out, inputs, kernel, stride=1, group=1, relu6=True):
        w = g.weight(out, inputs // group, kernel, kernel, scale=(2 / (inputs // group * kernel * kernel)) ** 0.5)
        x = g("Conv", x, w, g.weight(out, scale=0.1), strides=[stride, stride], group=group, auto_pad="SAME_UPPER")
        if relu6:
            x = g("Clip", x, g.weight(value=np.float32(0)), g.weight(value=np.float32(6)))
        return x

    x, channels = conv("x", 32, 3, 3, 2), 32
    for repeat, kernel, stride, expansion, out in STAGES:
        for i in range(repeat):
            before, middle = x, channels * expansion
            if expansion > 1:
                x = conv(x, middle, channels, 1)
            x = conv(x, middle, middle, kernel, stride if i == 0 else 1, group=middle)
            x = conv(x, out, middle, 1, relu6=False)
            if i > 0:
                x = g("Add", x, before)
            channels = out
    x = g("Flatten", g("GlobalAveragePool", conv(x, 1280, channels, 1)))
    return g, g("Gemm", x, g.weight(1280, embed, scale=0.03), g.weight(embed)), size


class Noise(CalibrationDataReader):
    def __init__(self, shape):
        self.batches = iter([{"x": rng.standard_normal(shape, dtype=np.float32)} for _ in range(4)])

    def get_next(self):
        return next(self.batches, None)


def dynamic(path, shape):
    out = path.replace(".onnx", "-dynamic.onnx")
    if not os.path.exists(out):
        quantize_dynamic(path, out, per_channel=True, weight_type=QuantType.QInt8)
    return out


def static(path, shape):
    out = path.replace(".onnx", "-static.onnx")
    if not os.path.exists(out):
        quantize_static(path, out, Noise(shape), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    return out


def plain(path, shape):
    return path


def onnxruntime(path, threads, hint):
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})


def openvino(path, threads, hint):
    model = ov.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
                                                  "INFERENCE_PRECISION_HINT": hint})
    request = model.create_infer_request()
    return lambda x: request.infer({0: x})


ENGINES = {
    "f32": [("onnxruntime f32", onnxruntime, plain, ""), ("openvino f32", openvino, plain, "f32")],
    "bf16": [("openvino bf16", openvino, plain, "bf16")],
    "int8": [("onnxruntime int8 dynamic", onnxruntime, dynamic, ""),
             ("onnxruntime int8 static", onnxruntime, static, ""),
             ("openvino int8 static", openvino, static, "f32")],
}
# Towers of bench-encode, and in what they are compared.
TOWERS = {
    "vit-b-32": (vit, ("f32", "bf16", "int8")),
    "vit-b-16": (lambda: vit(patch=16), ("f32", "bf16", "int8")),
    "vit-l-14": (lambda: vit(patch=14, width=1024, layers=24, heads=16), ("f32", "bf16")),
    "rn50": (rn50, ("f32", "bf16", "int8")),
    "lite0-160": (lambda: lite(160), ("f32", "int8")),
    "lite0-224": (lambda: lite(224), ("f32", "int8")),
}
CASES = {f"{tower}-{kind}": (tower, make, kind) for tower, (make, kinds) in TOWERS.items() for kind in kinds}


def prepare(folder, tower, make, kind, batch, threads):
    path = os.path.join(folder, f"{tower}-{batch}.onnx")
    graph, out, size = make()
    shape = (batch, 3, size, size)
    if not os.path.exists(path):
        graph.save(path, shape, out)
    return shape, [(label, run(change(path, shape), threads, hint)) for label, run, change, hint in ENGINES[kind]]


def spent(run, x, clock):
    """Median milliseconds per image over half a second, or five runs."""
    run(x)
    times, start = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - start < 0.7:
        before = clock()
        run(x)
        times.append(clock() - before)
    return float(np.median(times)) * 1e3 / len(x)


def ours(program, case, batch, threads):
    text = subprocess.run([program, case, str(batch), str(threads)], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) ms of processor time" if threads == 1 else r"median +([\d.]+) ms", text).group(1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    clock = time.process_time if options.threads == 1 else time.perf_counter
    print("onnxruntime", ort.__version__, "openvino", ov.__version__)
    with tempfile.TemporaryDirectory() as folder:
        for case, (name, make, kind) in CASES.items():
            if options.pattern not in case:
                continue
            for batch in (1, 8):
                shape, engines = prepare(folder, name, make, kind, batch, options.threads)
                x = rng.standard_normal(shape, dtype=np.float32)
                times = {label: [] for label, _ in engines}
                times["gst-clip"] = []
                for _ in range(options.rounds):
                    times["gst-clip"].append(ours(options.program, case, batch, options.threads))
                    for label, run in engines:
                        times[label].append(spent(run, x, clock))
                medians = {label: float(np.median(t)) for label, t in times.items()}
                best = min(t for label, t in medians.items() if label != "gst-clip")
                for label, t in times.items():
                    print(f"{case:<14} batch {batch}  {label:<26} {medians[label]:8.3f} ms  "
                          f"({', '.join(f'{v:.2f}' for v in t)})", flush=True)
                print(f"{case:<14} batch {batch}  ratio {medians['gst-clip'] / best:.3f}", flush=True)


if __name__ == "__main__":
    main()
