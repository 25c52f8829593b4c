#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the first inputs of each fuzz target to corpus/TARGET/: small, one idea each. Reproducers of what fuzzing found
stand beside them, named crash-…; this script leaves those alone."""
import gzip
import io
import json
import os
import struct
import tarfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))


def seed(target, name, data):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data if isinstance(data, bytes) else data.encode())


# ---------------------------------------------------------------------------------------------------------------- json

seed("json", "values", r'{"a": 1, "b": [1, 2.5e3, null, true, "\u00e9\ud83d\ude00"]}')
seed("json", "nested", '{"a": {"b": {"a": [[[[{}]]]]}}}')
seed("json", "apart", '{"a": {"x": 1, "b" : [1, ["\\ud83d\\ude00"]], "\\u0063":{"b": 7}, "b": []}, "b": 2}')
seed("json", "duplicate", '{"a": "x", "a": "y"}')
seed("json", "deep", "[" * 100)
seed("json", "surrogate", r'{"a": "\ud800"}')
seed("json", "nul", b'{"a": \0 1}')
seed("json", "utf8", b'{"a": "\xff\xfe"}')
seed("json", "huge", '{"a": 1e999}')
seed("json", "overflow", '{"a": 9223372036854775808}')
seed("json", "empty", "")
seed("json", "bom", b"\xef\xbb\xbf{}")

# ---------------------------------------------------------------------------------------------------------- checkpoint


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def tensors(*rows, metadata=None):
    """rows: name, dtype, shape; zeros for data."""
    size = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I8": 1, "U8": 1}
    header, end = ({"__metadata__": metadata} if metadata else {}), 0
    for name, dtype, shape in rows:
        begin = end
        count = 1
        for n in shape:
            count *= n
        end += count * size[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    return safetensors(header, bytes(end))


def one(**changes):
    return {"w": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8], **changes}}


seed("checkpoint", "one", safetensors(one(), bytes(8)))
seed("checkpoint", "metadata", tensors(("a", "F16", [3]), ("b", "BF16", [1]), metadata={"format": "pt"}))
seed("checkpoint", "scalar", tensors(("logit_scale", "F32", [])))
seed("checkpoint", "zero", tensors(("a", "F32", [0, 4]), ("b", "I64", [1])))
seed("checkpoint", "empty", b"")
seed("checkpoint", "short", b"\x08\0\0\0")
seed("checkpoint", "header-beyond-end", struct.pack("<Q", 1 << 40) + b"{}")
seed("checkpoint", "header-negative", struct.pack("<Q", (1 << 64) - 8) + b"{}")
seed("checkpoint", "truncated", safetensors(one(), bytes(7)))
seed("checkpoint", "trailing", safetensors(one(), bytes(9)))
seed("checkpoint", "overlap", safetensors({**one(), "v": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, bytes(12)))
seed("checkpoint", "hole", safetensors({**one(), "v": {"dtype": "U8", "shape": [1], "data_offsets": [9, 10]}}, bytes(10)))
seed("checkpoint", "shape-overflow", safetensors(one(shape=[1 << 32, 1 << 32]), bytes(8)))
seed("checkpoint", "shape-negative", safetensors(one(shape=[-1, -2]), bytes(8)))
seed("checkpoint", "offsets-reversed", safetensors(one(data_offsets=[8, 0]), bytes(8)))
seed("checkpoint", "offsets-huge", safetensors(one(data_offsets=[0, (1 << 63) - 1]), bytes(8)))
seed("checkpoint", "dtype-unknown", safetensors(one(dtype="F8_E4M3"), bytes(8)))
seed("checkpoint", "dims", safetensors(one(shape=[1] * 9 + [2]), bytes(8)))
seed("checkpoint", "openclip", tensors(
    ("visual.conv1.weight", "F16", [2, 3, 2, 2]), ("visual.class_embedding", "F32", [2]),
    ("visual.positional_embedding", "F32", [2, 2]), ("visual.proj", "F16", [2, 2]),
    ("visual.transformer.resblocks.0.attn.in_proj_weight", "F16", [6, 2]),
    ("visual.transformer.resblocks.0.attn.in_proj_bias", "F32", [6]),
    ("visual.transformer.resblocks.0.ln_1.weight", "F32", [2]), ("text_projection", "F16", [2, 2]),
    ("positional_embedding", "F32", [2, 2]), ("token_embedding.weight", "F16", [4, 2]), ("logit_scale", "F32", [])))
seed("checkpoint", "huggingface", tensors(
    ("vision_model.embeddings.patch_embedding.weight", "F32", [2, 3, 2, 2]),
    ("vision_model.embeddings.class_embedding", "F32", [2]),
    ("vision_model.embeddings.position_embedding.weight", "F32", [2, 2]),
    ("vision_model.encoder.layers.0.self_attn.q_proj.weight", "F32", [2, 2]),
    ("vision_model.encoder.layers.0.self_attn.k_proj.bias", "F32", [2]),
    ("visual_projection.weight", "F32", [2, 2]), ("text_projection.weight", "F32", [2, 2]),
    ("text_model.embeddings.position_embedding.weight", "F32", [2, 2]), ("logit_scale", "F32", [])))

# ------------------------------------------------------------------------------------------------------ zip and pickle


def archive(*members, comment=b"", wide=False):
    """members: name, bytes, then what is said of them that is not so: offset, size, method."""
    out, directory = b"", b""
    for name, data, *lies in members:
        lies = lies[0] if lies else {}
        name = name if isinstance(name, bytes) else name.encode()
        offset, size = lies.get("offset", len(out)), lies.get("size", len(data))
        extra = struct.pack("<HHQQQ", 1, 24, size, size, offset) if wide else b""
        said = (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF) if wide else (size, size, offset)
        method = lies.get("method", 0)
        out += struct.pack("<IHHHIIIIHH", 0x04034B50, 0, 0, method, 0, 0, len(data), len(data), len(name), 0) + name + data
        directory += struct.pack("<IHHHHIIIIHHHHHII", 0x02014B50, 0, 0, 0, method, 0, 0, said[0], said[1], len(name),
                                 len(extra), 0, 0, 0, 0, said[2]) + name + extra
    n, begin = len(members), len(out)
    out += directory
    if wide:
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0, 0, 0, 0, n, n, len(directory), begin)
        out += struct.pack("<IIQI", 0x07064B50, 0, begin + len(directory), 1)
        return out + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return out + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, n, n, len(directory), begin, len(comment)) + comment


def text(value):
    value = value.encode()
    return b"X" + struct.pack("<I", len(value)) + value


def number(value):
    return b"K" + bytes([value]) if 0 <= value < 256 else b"\x8a\x08" + struct.pack("<q", value)


def row(values):
    return b"(" + b"".join(number(v) for v in values) + b"t"


def tensor(kind, key, elements, offset, shape, strides, more=b""):
    storage = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text(key) + text("cpu") + number(elements)
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + more + b"tQ" + number(offset) + row(shape) + row(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


def mapping(**entries):
    return b"}(" + b"".join(text(k) + v for k, v in entries.items()) + b"u"


def module(**entries):
    return b"c__torch__.a\nM\n)\x81" + mapping(**entries) + b"b"


def program(value):
    return b"\x80\x02" + value + b"."


W = tensor("Float", "0", 2, 0, [1, 2], [2, 1])
STATE = b"ccollections\nOrderedDict\n)Rq\x01(" + text("module.w") + W + text("module.t") + tensor(
    "Half", "1", 32, 0, [4, 8], [1, 4]) + b"u}" + text("_metadata") + b"h\x01sb"
seed("pickle", "dict", program(mapping(w=W)))
seed("pickle", "ordered", program(STATE))
seed("pickle", "training", program(mapping(epoch=number(3), state_dict=STATE, optimizer=mapping(
    state=mapping(x=W), param_groups=b"](" + mapping(lr=b"G" + bytes(8), betas=b"G" + bytes(8) + b"N\x86") + b"e"))))
seed("pickle", "module", program(module(w=W, inner=module(w=tensor("BFloat16", "2", 0, 0, [0], [1]), on=b"\x88"), none=b"N")))
seed("pickle", "module-shared", program(module(a=b"c__torch__.a\nM\n)\x81q\0" + mapping(w=W) + b"b", b=b"h\0")))
seed("pickle", "module-in-itself", program(b"c__torch__\nM\n)\x81q\0}" + text("m") + b"h\0sb"))
seed("pickle", "parameter", program(mapping(w=b"ctorch._utils\n_rebuild_parameter\n" + W + b"\x88ccollections\nOrderedDict\n)R\x87R")))
seed("pickle", "view-none", program(mapping(w=tensor("Long", "0", 1, 0, [], [], b"N"))))
seed("pickle", "view", program(mapping(w=tensor("Int", "3", 3, 0, [1], [1], text("v") + number(1) + number(2) + b"\x87"))))
seed("pickle", "size", program(mapping(w=W.replace(row([1, 2]), b"ctorch\nSize\n" + row([1, 2]) + b"\x85R"))))
seed("pickle", "expanded", program(mapping(w=tensor("Char", "0", 8, 7, [3, 5], [0, 0]))))
seed("pickle", "expanded-too-far", program(mapping(w=tensor("Char", "0", 8, 7, [1 << 20, 1 << 20], [0, 0]))))
seed("pickle", "overflow", program(mapping(w=tensor("Double", "0", 1, 0, [1 << 62, 4], [1 << 62, 1]))))
seed("pickle", "negative", program(mapping(w=tensor("Float", "0", 2, 1, [2], [-1]))))
seed("pickle", "laughs", program(number(1) + b"q\1h\1\x86" * 100))
seed("pickle", "list-in-itself", program(b"]q\0h\0a"))
seed("pickle", "system", program(b"cos\nsystem\n" + text("id") + b"\x85R"))
seed("pickle", "put-far", program(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff\x86"))
seed("pickle", "protocol-4", b"\x80\x04\x95\0\0\0\0\0\0\0\0}\x94.")
seed("pickle", "empty", "")
seed("zip", "one", archive(("a/b", b"xyz")))
seed("zip", "wide", archive(("a/b", b"xyz"), ("a/c", b""), wide=True))
seed("zip", "comment", archive(("a/b", b"xyz"), comment=b"PK\5\6"))
seed("zip", "compressed", archive(("a/b", b"xyz", {"method": 8})))
seed("zip", "twice", archive(("a", b"x"), ("a", b"y")))
seed("zip", "upwards", archive(("a/../../b", b"x")))
seed("zip", "absolute", archive(("/a", b"x")))
seed("zip", "overlap", archive(("a", b"x", {"size": 9}), ("b", b"y" * 20)))
seed("zip", "beyond", archive(("a", b"x", {"size": 0xFFFFFFF0})))
seed("zip", "offset-beyond", archive(("a", b"x", {"offset": 0xFFFFFFF0})))
seed("zip", "wide-beyond", archive(("a", b"x", {"size": (1 << 64) - 8, "offset": 0}), wide=True))
seed("zip", "empty", archive())
seed("checkpoint", "torch", archive(("a/data.pkl", program(STATE)), ("a/byteorder", b"little"), ("a/data/0", bytes(8)), ("a/data/1", bytes(64))))
seed("checkpoint", "torchscript", archive(("a/data.pkl", program(module(w=W))), ("a/data/0", bytes(8)), wide=True))
LEGACY = (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}" + text("little_endian") + b"\x88s."
          + program(mapping(w=W, v=tensor("Float", "0", 2, 0, [1], [1], text("v") + number(1) + number(1) + b"\x87"))))
seed("checkpoint", "torch-legacy", LEGACY + program(b"]" + text("0") + b"a") + struct.pack("<Q", 2) + bytes(8))
seed("checkpoint", "torch-legacy-short", LEGACY + program(b"]" + text("0") + b"a") + struct.pack("<Q", 2) + bytes(7))
seed("checkpoint", "torch-legacy-number", LEGACY + program(b"]" + text("0") + b"a") + struct.pack("<Q", 1 << 63) + bytes(8))
# ---------------------------------------------------------------------------------------------------------------- gguf


def gguf_text(text):
    text = text.encode()
    return struct.pack("<Q", len(text)) + text


def gguf(pairs, infos, data=b"", version=3):
    """pairs: key, type, bytes of the value; infos: name, dimensions (the last first), type, offset."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(infos), len(pairs))
    for key, kind, value in pairs:
        out += gguf_text(key) + struct.pack("<I", kind) + value
    for name, dimensions, kind, offset in infos:
        out += gguf_text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, offset)
    return out + bytes(-len(out) % 32) + data


def strings(*texts):
    return struct.pack("<IQ", 8, len(texts)) + b"".join(gguf_text(text) for text in texts)


ARCHITECTURE = ("general.architecture", 8, gguf_text("clip"))
seed("gguf", "empty", gguf([], []))
seed("gguf", "pairs", gguf([
    ARCHITECTURE, ("clip.use_gelu", 7, b"\1"), ("clip.vision.image_size", 4, struct.pack("<I", 8)),
    ("clip.vision.image_mean", 9, struct.pack("<IQ3f", 6, 3, 0.5, 0.5, 0.5)), ("x", 12, struct.pack("<d", 0.1)),
    ("clip.text.attention.layer_norm_epsilon", 6, struct.pack("<f", 1e-5)),
    ("tokenizer.ggml.tokens", 9, strings("a", "b</w>")), ("n", 9, struct.pack("<IQIQ", 9, 1, 0, 2) + b"ab")], []))
seed("gguf", "types", gguf([], [("q4", [32, 1], 2, 0), ("q8", [32], 8, 32), ("q2", [256], 10, 96), ("half", [2], 1, 192)],
                           bytes(196)))
seed("gguf", "alignment", gguf([("general.alignment", 4, struct.pack("<I", 8))], [("a", [2], 0, 0), ("b", [2], 0, 8)], bytes(16)))
seed("gguf", "version-1", b"GGUF" + struct.pack("<III", 1, 0, 1) + struct.pack("<I", 1) + b"x" + struct.pack("<IB", 0, 7))
seed("gguf", "big-endian", b"GGUF" + struct.pack(">IQQ", 3, 0, 0))
seed("gguf", "counts", b"GGUF" + struct.pack("<IQQ", 3, 1 << 40, 1 << 40))
seed("gguf", "array-huge", gguf([("x", 9, struct.pack("<IQ", 4, 1 << 62))], []))
seed("gguf", "string-huge", gguf([("x", 8, struct.pack("<Q", (1 << 64) - 1))], []))
seed("gguf", "dimensions", gguf([], [("a", [1 << 40, 1 << 40], 0, 0)]))
seed("gguf", "overlap", gguf([], [("a", [32], 0, 0), ("b", [32], 0, 32)], bytes(256)))
seed("gguf", "truncated", gguf([], [("a", [32], 8, 0)], bytes(33)))
seed("gguf", "model", gguf([
    ARCHITECTURE, ("clip.has_text_encoder", 7, b"\1"), ("clip.vision.image_size", 4, struct.pack("<I", 4)),
    ("clip.vision.attention.head_count", 4, struct.pack("<I", 1))], [
    ("v.class_embd", [2], 0, 0), ("v.position_embd.weight", [2, 5], 0, 32), ("v.patch_embd.weight", [2, 2, 3, 2], 1, 96),
    ("v.pre_ln.weight", [2], 0, 160), ("v.blk.0.attn_q.weight", [32, 2], 8, 192), ("v.blk.0.ffn_down.weight", [2, 8], 0, 288),
    ("t.token_embd.weight", [2, 10], 0, 352), ("t.position_embd.weight", [2, 6], 0, 448), ("t.blk.0.attn_q.weight", [2, 2], 0, 512),
    ("visual_projection.weight", [2, 2], 0, 544), ("text_projection.weight", [2, 2], 0, 576)], bytes(592)))

# ----------------------------------------------------------------------------------------------------------- tokenizer


def tokenizer(name, file, text="A low lower—newest é 東京 <|endoftext|> &amp; 3's"):
    file = file if isinstance(file, bytes) else file.encode()
    text = text.encode()
    seed("tokenizer", name, bytes([len(text)]) + text + file)


MERGES = "#version: 0.2\nl o\nlo w</w>\ne r</w>\nn e\nne w\nw e\ns t</w>\n"
BPE = {
    "version": "1.0",
    "added_tokens": [{"id": 9, "content": "<|startoftext|>", "special": True},
                     {"id": 10, "content": "<|endoftext|>", "special": True}],
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "'s|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}, "behavior": "Removed",
         "invert": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}]},
    "post_processor": {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 10], "cls": ["<|startoftext|>", 9],
                       "trim_offsets": False, "add_prefix_space": False},
    "model": {"type": "BPE", "unk_token": "<|endoftext|>", "continuing_subword_prefix": "", "end_of_word_suffix": "</w>",
              "fuse_unk": False,
              "vocab": {"l": 0, "o": 1, "w": 2, "w</w>": 3, "lo": 4, "low</w>": 5, "e": 6, "r</w>": 7, "er</w>": 8,
                        "<|startoftext|>": 9, "<|endoftext|>": 10},
              "merges": ["l o", "lo w</w>", "e r</w>"]},
}
WORDPIECE = {
    "version": "1.0",
    "added_tokens": [{"id": 0, "content": "[PAD]"}, {"id": 1, "content": "[UNK]"}],
    "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                   "lowercase": True},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing",
                       "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                  {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                       "pair": [], "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                                                      "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100,
              "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "low": 4, "##er": 5, "e": 6, "a": 7}},
}
tokenizer("merges", MERGES)
tokenizer("merges-gzip", gzip.compress(MERGES.encode(), mtime=0))
tokenizer("merges-cycle", "#version\na b\nab a\nab ab\nabab ab\n", "ab" * 60)
tokenizer("merges-three-words", "#version\na b c\n")
for name in "siglip", "spaces":
    with open(os.path.join(HERE, "..", "golden", "text", name + ".model"), "rb") as model:
        tokenizer("spiece-" + name, model.read(), "A low lower \u00e9 \u6771\u4eac \ufb01  x</s>")
tokenizer("gzip-truncated", gzip.compress(MERGES.encode(), mtime=0)[:-9])
tokenizer("gzip-of-gzip", gzip.compress(gzip.compress(MERGES.encode(), mtime=0), mtime=0))
tokenizer("vocab", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nlow\n##er\n##est\nnew\na\ne\n")
tokenizer("vocab-no-unk", "[PAD]\n[CLS]\n[SEP]\nlow\n")
tokenizer("vocab-carriage-returns", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nlow\r\n")
tokenizer("bpe.json", json.dumps(BPE))
tokenizer("bpe-pairs.json", json.dumps({**BPE, "model": {**BPE["model"], "merges": [["l", "o"], ["lo", "w</w>"]]}}))
tokenizer("wordpiece.json", json.dumps(WORDPIECE))
tokenizer("unigram.json", open(os.path.join(HERE, "../golden/text/unigram-t5.json")).read())
tokenizer("unigram-xlm.json", open(os.path.join(HERE, "../golden/text/xlm.json")).read(), "\u0642\u0637\u0629  <mask> \u732b</s>")
tokenizer("roberta.json", open(os.path.join(HERE, "../golden/text/roberta.json")).read(), "\u0642\u0637\u0629  <mask> \u732b</s>")
tokenizer("unigram-table.json", json.dumps({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["u", -3], ["\u2581a", -1]]},
                                            "normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAP////8A"},
                                            "pre_tokenizer": {"type": "Metaspace"}}))
tokenizer("id-negative.json", json.dumps(BPE).replace('"o": 1,', '"o": -1,'))
tokenizer("id-huge.json", json.dumps(BPE).replace('"o": 1,', '"o": 99999999999,'))
tokenizer("id-twice.json", json.dumps(BPE).replace('"o": 1,', '"o": 0,'))
tokenizer("pattern.json", json.dumps(BPE).replace("[\\\\p{N}]", "(a*)*(b"))
tokenizer("pattern-slow.json", json.dumps(BPE).replace("[\\\\p{N}]", "(a+)+$"), "a" * 60 + "b")
tokenizer("empty", "")

# -------------------------------------------------------------------------------------------------------------- labels

seed("labels", "lines", "# kinds\na cat\n  a dog  \n\xe9t\xe9\n")
seed("labels", "semicolons", "a cat;a dog;")
seed("labels", "json", '["a cat", {"name": "a dog", "prompts": ["a photo of a dog", "woof"], "threshold": 0.5, "background": true}]')
seed("labels", "json-empty", "[]")
seed("labels", "json-prompts-empty", '[{"name": "a", "prompts": []}]')
seed("labels", "json-threshold", '[{"name": "a", "threshold": 7}]')
seed("labels", "json-twice", '["a", {"name": " a"}]')
seed("labels", "json-nameless", '[{"prompts": ["a"]}, 3, null]')
seed("labels", "nul", b"a\0b\n")
seed("labels", "latin-1", b"caf\xe9\n")
seed("labels", "bom", b"\xef\xbb\xbfa\r\nb\r\n")
seed("labels", "empty", "")
seed("labels", "blank-lines", "a\n\n\nb\n")

# -------------------------------------------------------------------------------------------------------------- config

HUGGINGFACE, PREPROCESSOR, OPENCLIP, OVERRIDE, TENTATIVE, LITE, RESNET = 0, 1, 2, 3, 4, 8, 16


def config(name, *sources):
    seed("config", name, b"\0".join(bytes([choices]) + (text if isinstance(text, str) else json.dumps(text)).encode()
                                    for choices, text in sources))


HF = {"model_type": "clip", "projection_dim": 8, "logit_scale_init_value": 2.6592,
      "vision_config": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8, "patch_size": 4,
                        "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5},
      "text_config": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 10,
                      "max_position_embeddings": 6, "hidden_act": "gelu", "eos_token_id": 2}}
PRE = {"size": {"shortest_edge": 8}, "crop_size": {"height": 8, "width": 8}, "resample": 3, "do_center_crop": True,
       "do_normalize": True, "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}
OPEN = {"model_cfg": {"embed_dim": 8, "quick_gelu": True,
                      "vision_cfg": {"image_size": 8, "layers": 1, "width": 64, "patch_size": 4, "head_width": 32},
                      "text_cfg": {"context_length": 6, "vocab_size": 10, "width": 64, "heads": 1, "layers": 1}},
        "preprocess_cfg": {"size": 8, "mode": "RGB", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
                           "interpolation": "bicubic", "resize_mode": "squash"}}
LITE_OPEN = {"model_cfg": {"embed_dim": 8,
                           "vision_cfg": {"timm_model_name": "tf_efficientnet_lite0", "timm_pool": "avg", "timm_proj": "linear",
                                          "image_size": 160},
                           "text_cfg": {"hf_model_name": "bert", "hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler",
                                        "context_length": 12, "vocab_size": 10, "heads": 2}},
             "preprocess_cfg": {"size": [160, 160], "mean": [0.49804, 0.49804, 0.49804], "std": [0.50196, 0.50196, 0.50196],
                                "interpolation": "bicubic", "resize_mode": "shortest"}}
RESNET_OPEN = {"model_cfg": {"embed_dim": 8, "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 4,
                                                            "patch_size": None, "head_width": 32},
                             "text_cfg": OPEN["model_cfg"]["text_cfg"]}}
config("huggingface", (HUGGINGFACE, HF), (PREPROCESSOR, PRE))
config("openclip", (OPENCLIP, OPEN))
config("openclip-lite", (OPENCLIP | LITE, LITE_OPEN))
config("openclip-roberta", (OPENCLIP | LITE, {"model_cfg": {"text_cfg": {
    "hf_model_name": "xlm-roberta-base", "hf_proj_type": "mlp", "hf_pooler_type": "cls_pooler", "context_length": 5, "heads": 2,
    "tokenizer_kwargs": {"clean": "canonicalize"}, "hf_model_config": {"model_type": "roberta", "pad_token_id": 2}}}}))
config("openclip-resnet", (OPENCLIP | RESNET, RESNET_OPEN))
config("layers", (OPENCLIP | RESNET, {"model_cfg": {"vision_cfg": {"layers": [1, -1, 1e300, []]}}}))
config("override", (OPENCLIP, OPEN), (OVERRIDE, {"model_cfg": {"quick_gelu": False, "vision_cfg": {"heads": 4}}}))
config("tentative", (TENTATIVE | HUGGINGFACE, {**HF, "projection_dim": 9}))
config("contradiction", (OPENCLIP, {"model_cfg": {"embed_dim": 9}}))
config("std-zero", (PREPROCESSOR, {**PRE, "image_std": [0, 0.5, 0.5]}))
config("std-tiny", (PREPROCESSOR, {**PRE, "image_std": [1e-42, 1e30, -1]}))
config("mean-short", (PREPROCESSOR, {**PRE, "image_mean": [0.5]}))
config("size-negative", (OPENCLIP | LITE, {"model_cfg": {"vision_cfg": {"image_size": -160}}}))
config("heads-seven", (OPENCLIP, {"model_cfg": {"vision_cfg": {"heads": 7}}}))
config("heads-zero", (OPENCLIP, {"model_cfg": {"vision_cfg": {"head_width": 0}, "text_cfg": {"heads": 0}}}))
config("wrong-types", (OPENCLIP, {"model_cfg": [], "preprocess_cfg": 3}))
config("not-json", (HUGGINGFACE, "{"))

# -------------------------------------------------------------------------------------------------------------- shards


def tar(*members, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members:
            data = data if isinstance(data, bytes) else data.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


TAR = tar(("a.jpg", "I"), ("a.txt", "one\n two\n"), ("a.cls", "3"), ("b/c.d.png", b"\xff"), ("b/c.txt", b"caf\xe9"))
seed("shards", "plain", TAR)
seed("shards", "cut", TAR[:1100])
seed("shards", "gzip", gzip.compress(TAR, mtime=0))
seed("shards", "gzip-cut", gzip.compress(TAR, mtime=0)[:90])
seed("shards", "pax", tar(("\u00e9" * 60 + ".jpg", "I"), form=tarfile.PAX_FORMAT))
seed("shards", "classes", tar(("a.cls", "-1"), ("b.cls", ""), ("c.cls", "99999999999"), ("d.txt", " \n")))
seed("shards", "names", tar((".x.jpg", "I"), ("none", "I"), ("a/", ""), ("./a.jpg", "I")))
seed("shards", "empty", b"")

# ---------------------------------------------------------------------------------------------------------------- list

seed("list", "csv", 'filepath,title\na.jpg,"a ""cat"", asleep"\nb.jpg,\n')
seed("list", "tsv", "a.jpg\tone\ttwo\r\n\n\tno file\n")
seed("list", "columns", "id,caption 1,IMAGE\n7,x,a.jpg,more\n8\n")
seed("list", "bytes", b'\xef\xbb\xbfa.jpg,caf\xe9\nb.jpg,a\0b\nc.jpg,"open')
seed("list", "empty", "")

# ------------------------------------------------------------------------------------------------------------- catalog

PLACE = "address=https://h/a.pt\n"
seed("catalog", "file", "[A]\naliases=b;C:d;\n" + PLACE + "size=12\nsha256=" + "0f" * 32 + "\nlicense=MIT\nnote=n\n")
seed("catalog", "hub", "[(f)]\nweights=w.bin;v.bin;\ncompanions=c.json;\n[A]\nfamily=f\nhub=o/n\nrevision=r\n")
seed("catalog", "no-family", "[A]\nfamily=f\n" + PLACE)
seed("catalog", "both", "[A]\nhub=o/n\nweights=w;\n" + PLACE)
seed("catalog", "upwards", "[A]\nhub=o/../n\nweights=../w;\n")
seed("catalog", "scheme", "[A]\naddress=file:///etc/passwd\n")
seed("catalog", "size", "[A]\nsize=-1\n" + PLACE)
seed("catalog", "sha256", "[A]\nsha256=0F\n" + PLACE)
seed("catalog", "twice", "[A]\n" + PLACE + "[A]\n" + PLACE)
seed("catalog", "utf8", b"[\xff]\naddress=https://h/\xff\n")
seed("catalog", "empty", "")

# ------------------------------------------------------------------------------------------------------------- picture


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)) +
       chunk(b"IDAT", zlib.compress(b"\0" + bytes(range(9)) + b"\1" + bytes(range(9)))) + chunk(b"IEND", b""))
seed("picture", "png", PNG)
seed("picture", "png-cut", PNG[:-20])
seed("picture", "png-huge", PNG[:16] + struct.pack(">II", 1 << 30, 1 << 30) + PNG[24:])
seed("picture", "bmp", b"BM" + struct.pack("<IIIIiiHHIIiiII", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + b"abc\0")
seed("picture", "jpeg-start", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0")
seed("picture", "empty", b"")
