#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""gguf-files.safetensors: a file with a tensor of each type, written by the format's own package, and what that package
makes of its quantised blocks (gguf.quants, in numpy).

    pip install gguf numpy; python3 tests/golden/gguf-files.py

NAME: the file [bytes] u8; NAME:TENSOR: a tensor of it in float32."""
import json
import os
import struct
import tempfile

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

random = np.random.default_rng(0)
tensors = {}
HALVES = {  # where a block has float16
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0], Type.Q2_K: [80, 82],
    Type.Q3_K: [108], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}  # fmt: skip


def blocks(kind, rows, cols):
    """Any bytes are blocks, but for their float16: one of each five is subnormal."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (rows * cols // elements, size), np.uint8)
    for place in HALVES[kind]:
        scale = random.normal(0, 0.05, len(data)).astype(np.float16)
        scale[::5] = 3e-6
        data[:, place : place + 2] = scale[:, None].view(np.uint8)
    return data.reshape(rows, -1)


def write(name, add_tensors):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x")
        writer = gguf.GGUFWriter(path, "clip")
        writer.add_bool("clip.has_text_encoder", True)
        writer.add_bool("clip.use_gelu", False)
        writer.add_uint32("clip.vision.image_size", 224)
        writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
        writer.add_array("clip.vision.image_mean", [0.5, 0.25, 0.125])
        writer.add_token_list(["a", "b</w>", "\u00e9"])
        writer.add_uint8("x.u8", 255)
        writer.add_int8("x.i8", -1)
        writer.add_uint16("clip.u16", 65535)
        writer.add_int16("clip.i16", -2)
        writer.add_int32("clip.i32", -3)
        writer.add_uint64("clip.u64", 1 << 40)
        writer.add_int64("clip.i64", -(1 << 40))
        writer.add_float64("clip.f64", 0.1)
        writer.add_string("clip.string", 'a "caf\u00e9"')
        writer.add_array("x.many", list(range(100)))
        writer.add_array("x.nested", [[1, 2], [3]])
        add_tensors(writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        data = open(path, "rb").read()
    tensors[name] = ("U8", [len(data)], data)


def put(name, array):
    tensors[name] = ("F32", list(array.shape), np.ascontiguousarray(array, np.float32).tobytes())


def every_type(writer):
    def add(key, data, values, kind=None):
        writer.add_tensor(key, data, raw_dtype=kind)
        put(f"types.gguf:{key}", values)

    base = random.normal(0, 1, (2, 3, 5, 2)).astype(np.float32)
    add("f32", base, base)
    add("f16", base.astype(np.float16), base.astype(np.float16))
    bits = gguf.quants.quantize(base, Type.BF16)
    add("bf16", bits, gguf.quants.dequantize(bits, Type.BF16), Type.BF16)
    for kind in HALVES:
        data = blocks(kind, 3, 512)
        add(kind.name, data, gguf.quants.dequantize(data, kind), kind)
    matrix = random.normal(0, 1, (4, 64)).astype(np.float32)
    for kind in (Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0):  # as numbers become them
        data = gguf.quants.quantize(matrix, kind)
        add(kind.name + ".of_numbers", data, gguf.quants.dequantize(data, kind), kind)


write("types.gguf", every_type)

header, end = {}, 0
for key, (dtype, shape, data) in tensors.items():
    header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
    end += len(data)
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "gguf-files.safetensors"), "wb") as out:
    out.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))
