# SPDX-License-Identifier: LGPL-2.1-or-later
"""A 1080p RGB frame to the 224x224 picture a tower sees, in gst-clip and in Pillow, taking turns; medians of processor time.

    pip install pillow
    taskset -c 0 python3 tests/bench/pillow.py build/tests/bench-preprocess [ROUNDS]

Both resize bicubically and crop, to the same pixels (tests/resize.c); gst-clip's time is with normalisation to float32.
"""
import os
import re
import statistics
import subprocess
import sys
import time

from PIL import Image, __version__

SIZE, RUNS = 224, 100


def pillow(image):
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        width = round(SIZE * image.width / image.height)
        small = image.resize((width, SIZE), Image.Resampling.BICUBIC)
        left = (width - SIZE) // 2
        small.crop((left, 0, left + SIZE, SIZE)).load()
        times.append((time.process_time() - start) * 1e3)
    return statistics.median(times)


def ours(program):
    text = subprocess.run([program], check=True, capture_output=True, text=True, errors="replace").stdout
    return float(re.search(r"^RGB +1920.1080.*median +([\d.]+) ms", text, re.MULTILINE).group(1))


program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
frame = Image.frombytes("RGB", (1920, 1080), os.urandom(1920 * 1080 * 3))
mine, theirs = [], []
for _ in range(rounds):
    mine.append(ours(program))
    theirs.append(pillow(frame))
a, b = statistics.median(mine), statistics.median(theirs)
print(f"gst-clip {a:.3f} ms, Pillow {__version__} {b:.3f} ms, ratio {a / b:.3f}")
