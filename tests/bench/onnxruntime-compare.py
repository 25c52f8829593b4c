# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same towers as bench-encode, with random weights, in ONNX Runtime: pip install numpy onnx onnxruntime.

    python3 tests/bench/onnxruntime-compare.py [PATTERN]
"""
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

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

    def session(self, shape, out, threads):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        y = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
        model = helper.make_model(helper.make_graph(self.nodes, "g", [x], [y], self.weights),
                                  opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def i64(*values):
    return np.array(values, dtype=np.int64)


def vit(size=224, patch=32, width=768, layers=12, heads=12, embed=512):
    g = Graph()
    grid = size // patch
    tokens = grid * grid + 1

    def linear(x, out, inputs):
        return g("Add", g("MatMul", x, g.weight(inputs, out, scale=inputs ** -0.5)), g.weight(out))

    def norm(x):
        return g("LayerNormalization", x, g.weight(width), g.weight(width), epsilon=1e-5)

    x = g("Conv", "x", g.weight(width, 3, patch, patch, scale=0.02), strides=[patch, patch])
    x = g("Transpose", g("Reshape", x, g.weight(value=i64(0, width, -1))), perm=[0, 2, 1])
    first = g("Slice", x, g.weight(value=i64(0)), g.weight(value=i64(1)), g.weight(value=i64(1)))
    x = g("Concat", g("Add", g("Mul", first, g.weight(value=np.float32(0))), g.weight(width)), x, axis=1)
    x = norm(g("Add", x, g.weight(tokens, width)))
    split = g.weight(value=i64(0, tokens, heads, width // heads))
    for _ in range(layers):
        h = norm(x)
        q, k, v = (g("Reshape", linear(h, width, width), split) for _ in range(3))
        q, v = (g("Transpose", t, perm=[0, 2, 1, 3]) for t in (q, v))
        k = g("Transpose", k, perm=[0, 2, 3, 1])
        scores = g("MatMul", g("Mul", q, g.weight(value=np.float32((width // heads) ** -0.5))), k)
        a = g("Transpose", g("MatMul", g("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = g("Add", x, linear(g("Reshape", a, g.weight(value=i64(0, tokens, width))), width, width))
        h = linear(norm(x), 4 * width, width)
        h = g("Mul", h, g("Sigmoid", g("Mul", h, g.weight(value=np.float32(1.702)))))
        x = g("Add", x, linear(h, width, 4 * width))
    x = norm(g("Gather", x, g.weight(value=np.int64(0)), axis=1))
    return g, g("MatMul", x, g.weight(width, embed, scale=width ** -0.5)), size


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


def measure(name, graph, out, size):
    for batch in (1, 8):
        for threads in (1, 2):
            session = graph.session([batch, 3, size, size], out, threads)
            x = rng.standard_normal((batch, 3, size, size), dtype=np.float32)
            best, best_cpu, total, runs = 1e9, 1e9, 0, 0
            while runs < 5 or (total < 2 and runs < 200):
                start, start_cpu = time.perf_counter(), time.process_time()
                session.run(None, {"x": x})
                seconds = time.perf_counter() - start
                best, best_cpu = min(best, seconds), min(best_cpu, time.process_time() - start_cpu)
                total, runs = total + seconds, runs + 1
            print(f"{name:<14} batch {batch}  threads {threads}  {best * 1e3 / batch:8.3f} ms/image  "
                  f"{best_cpu * 1e3 / batch:8.3f} ms of processor time", flush=True)


pattern = sys.argv[1] if len(sys.argv) > 1 else ""
print("onnxruntime", ort.__version__)
for name, make in {"vit-b-32-f32": vit, "lite0-160": lambda: lite(160), "lite0-224": lambda: lite(224)}.items():
    if pattern in name:
        measure(name, *make())
