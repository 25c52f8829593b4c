#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes resize.tsv: what Pillow makes of pictures that tests/preprocess.c can make again.

    pip install pillow==11.1.0 numpy && ./make-resize.py > resize.tsv

A line: picture mode, kind, width, height, W×H, filter, resize mode, then the W×H R'G'B' bytes in hexadecimal, rows first;
of those longer than 2 KiB the SHA-256. The geometry is torchvision's Resize and CenterCrop (openai/CLIP), and
open_clip's ResizeKeepRatio and CenterCropOrPad, written down below.
"""
import hashlib
import numpy as np
import PIL
from PIL import Image

FILTERS = {"bicubic": Image.BICUBIC, "bilinear": Image.BILINEAR}

# mode, kind, width, height, W×H or the side of a square, filter, resize mode
CASES = [
    # down, up, unchanged in one or both directions
    ("RGB", "noise", 97, 60, 12, "bicubic", "shortest"),
    ("RGB", "noise", 60, 97, 12, "bicubic", "shortest"),
    ("RGB", "extremes", 97, 60, 12, "bicubic", "shortest"),
    ("RGB", "extremes", 5, 7, 14, "bicubic", "shortest"),
    ("RGB", "noise", 5, 7, 14, "bilinear", "shortest"),
    ("RGB", "noise", 12, 12, 12, "bicubic", "shortest"),
    ("RGB", "noise", 12, 31, 12, "bicubic", "shortest"),
    ("RGB", "noise", 31, 12, 12, "bicubic", "shortest"),
    ("RGB", "noise", 12, 40, 12, "bicubic", "squash"),
    ("RGB", "noise", 40, 12, 12, "bicubic", "squash"),
    # an excess of 0, 1, 2, 3 modulo 4: halves round to even
    ("RGB", "noise", 16, 12, 12, "bicubic", "shortest"),
    ("RGB", "noise", 17, 12, 12, "bicubic", "shortest"),
    ("RGB", "noise", 18, 12, 12, "bicubic", "shortest"),
    ("RGB", "noise", 19, 12, 12, "bicubic", "shortest"),
    ("RGB", "noise", 12, 19, 12, "bicubic", "shortest"),
    # the long side is truncated: 12 · 100 / 61 = 19.67
    ("RGB", "noise", 100, 61, 12, "bicubic", "shortest"),
    ("RGB", "noise", 1919, 1079, 12, "bilinear", "shortest"),
    # extremes
    ("RGB", "noise", 1, 1, 8, "bicubic", "shortest"),
    ("RGB", "noise", 1, 1, 1, "bicubic", "shortest"),
    ("RGB", "noise", 2, 1, 8, "bicubic", "shortest"),
    ("RGB", "noise", 1, 300, 8, "bicubic", "shortest"),
    ("RGB", "noise", 300, 1, 8, "bicubic", "squash"),
    ("RGB", "extremes", 2000, 3, 8, "bicubic", "squash"),
    ("RGB", "extremes", 3, 2000, 8, "bilinear", "squash"),
    ("RGB", "noise", 4000, 4, 1, "bicubic", "squash"),
    ("RGB", "extremes", 13, 11, 24, "bicubic", "squash"),
    # padded
    ("RGB", "noise", 40, 30, 13, "bicubic", "longest"),
    ("RGB", "noise", 30, 40, 13, "bicubic", "longest"),
    ("RGB", "noise", 13, 7, 24, "bilinear", "longest"),
    ("RGB", "noise", 200, 3, 10, "bicubic", "longest"),
    ("RGB", "noise", 13, 13, 13, "bicubic", "longest"),
    # no squares
    ("RGB", "noise", 97, 60, (20, 12), "bicubic", "shortest"),
    ("RGB", "noise", 97, 60, (12, 20), "bicubic", "shortest"),
    ("RGB", "extremes", 31, 77, (20, 12), "bilinear", "shortest"),
    ("RGB", "noise", 20, 12, (20, 12), "bicubic", "shortest"),
    ("RGB", "noise", 7, 5, (20, 12), "bicubic", "shortest"),
    ("RGB", "noise", 97, 60, (20, 12), "bicubic", "squash"),
    ("RGB", "noise", 97, 60, (12, 20), "bicubic", "longest"),
    ("RGB", "noise", 30, 97, (20, 12), "bilinear", "longest"),
    ("RGBA", "noise", 97, 60, (20, 12), "bicubic", "shortest"),
    ("L", "noise", 640, 480, (448, 224), "bicubic", "shortest"),
    # what sizes are in practice
    ("RGB", "noise", 640, 480, 224, "bicubic", "shortest"),
    ("RGB", "extremes", 1920, 1080, 224, "bicubic", "shortest"),
    ("RGB", "noise", 1081, 1919, 160, "bicubic", "shortest"),
    ("RGB", "noise", 333, 211, 336, "bicubic", "squash"),
    ("RGB", "noise", 500, 375, 256, "bilinear", "longest"),
    # gray stays gray; colours of RGBA are weighed by alpha unless nothing changes
    ("L", "noise", 61, 47, 20, "bicubic", "shortest"),
    ("RGBA", "noise", 61, 47, 20, "bicubic", "shortest"),
    ("RGBA", "extremes", 61, 47, 20, "bicubic", "shortest"),
    ("RGBA", "noise", 9, 11, 20, "bilinear", "squash"),
    ("RGBA", "noise", 20, 20, 20, "bicubic", "shortest"),
    ("RGBA", "noise", 90, 40, 20, "bicubic", "longest"),
    ("RGBA", "noise", 640, 360, 224, "bicubic", "shortest"),
]


def samples(kind, n):
    """A multiplicative hash of the index."""
    x = np.arange(n, dtype=np.uint32) * np.uint32(2654435761)
    x ^= x >> np.uint32(15)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    return np.where(x >> 31, 255, 0).astype(np.uint8) if kind == "extremes" else (x >> 24).astype(np.uint8)


def crop_or_pad(image, columns, rows):
    width, height = image.size
    if width < columns or height < rows:
        x, y = max((columns - width) // 2, 0), max((rows - height) // 2, 0)
        padded = Image.new(image.mode, (max(width, columns), max(height, rows)))
        padded.paste(image, (x, y))
        image = padded
        width, height = image.size
    x, y = int(round((width - columns) / 2.0)), int(round((height - rows) / 2.0))
    return image.crop((x, y, x + columns, y + rows))


def preprocess(image, columns, rows, resample, mode):
    width, height = image.size
    if mode == "shortest" and columns == rows:
        short, long = min(width, height), max(width, height)
        long = int(columns * long / short)
        to = (columns, long) if width <= height else (long, columns)
    elif mode == "squash":
        to = (columns, rows)
    else:
        ratio = (max if mode == "longest" else min)(width / columns, height / rows)
        to = (max(round(width / ratio), 1), max(round(height / ratio), 1))
    return crop_or_pad(image.resize(to, resample), columns, rows).convert("RGB")


print(f"# made by make-resize.py with Pillow {PIL.__version__}")
for mode, kind, width, height, size, resample, resize_mode in CASES:
    channels = len(mode)
    data = samples(kind, width * height * channels).reshape(height, width, channels)
    image = Image.fromarray(data if channels > 1 else data[..., 0], mode)
    columns, rows = size if isinstance(size, tuple) else (size, size)
    out = preprocess(image, columns, rows, FILTERS[resample], resize_mode).tobytes()
    out = out.hex() if len(out) <= 2048 else hashlib.sha256(out).hexdigest()
    print(mode, kind, width, height, f"{columns}×{rows}", resample, resize_mode, out, sep="\t")
