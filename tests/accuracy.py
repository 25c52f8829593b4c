#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Zero-shot accuracy and retrieval of a model, measured with gst-clip: a tool for developers, not part of the tests.

    python3 tests/accuracy.py build [--data DIR] [--model MODEL] [--prompts SET...] [--sets NAME...]

The data are WebDataset tars of JPEG images (DIR/NAME-0000.tar). Where DIR/NAME.classes.txt lists class names, key.cls
holds the class: each name is put into every template of the prompt set, the unit text embeddings are averaged, and the
classes nearest to the image's embedding are its answers (top-1, top-5). Else the first line of key.txt is the image's
caption: how often is it among the k captions of the whole set nearest to the image (R@k)? Needs numpy.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

try:
    import numpy as np
except ImportError:
    sys.exit("accuracy.py: needs numpy")

PROMPTS = ["none", "photo", "video", "imagenet-7"]


class Clip:
    """gst-clip with a model."""

    def __init__(self, build, model):
        self.program = str(pathlib.Path(build) / "gst/cli/gst-clip")
        self.model = ["--model", model] if model else []

    def run(self, command, *arguments, text=None):
        done = subprocess.run([self.program, command, *arguments], input=text, stdout=subprocess.PIPE, check=True,
                              encoding="utf-8")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def embed(self, *arguments, text=None):
        rows = self.run("embed", *self.model, "--raw", *arguments, text=text)
        features = np.array([row["embedding"] for row in rows], np.float32)
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    def images(self, files):
        return self.embed("--image", *map(str, files))

    def texts(self, texts):
        return self.embed("--text", "-", text="".join(text + "\n" for text in texts))

    def templates(self, name):
        return self.run("prompts", name)[0]["templates"]

    def labels(self, names, templates):
        """One unit vector a label: the mean of its unit vectors over the templates."""
        rows = self.texts([template.replace("{}", name) for name in names for template in templates])
        mean = rows.reshape(len(names), len(templates), -1).mean(axis=1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def ranks(scores, truth):
    """Of each row, how many columns score higher than the true one."""
    return (scores > scores[np.arange(len(scores)), truth][:, None]).sum(axis=1)


def measure(clip, tar, folder, prompts):
    """Yields (prompt set, name of the metric, percent)."""
    with tarfile.open(tar) as archive:
        for member in archive.getmembers():  # by hand: extractall () has no filter before Python 3.12
            if member.isfile() and "/" not in member.name:
                (folder / member.name).write_bytes(archive.extractfile(member).read())
    files = sorted(folder.glob("*.jpg"))
    images = clip.images(files)

    classes = tar.with_name(tar.name.replace("-0000.tar", ".classes.txt"))
    if classes.exists():
        names = classes.read_text("utf-8").splitlines()
        truth = np.array([int(file.with_suffix(".cls").read_text()) for file in files])
        for name in prompts:
            rank = ranks(images @ clip.labels(names, clip.templates(name)).T, truth)
            for k in (1, 5):
                yield name, f"top-{k}", 100 * (rank < k).mean()
    else:
        captions = [file.with_suffix(".txt").read_text("utf-8").splitlines()[0] for file in files]
        rank = ranks(images @ clip.texts(captions).T, np.arange(len(files)))
        for k in (1, 10):
            yield "caption", f"R@{k}", 100 * (rank < k).mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="build directory")
    parser.add_argument("--data", type=pathlib.Path, help="where the tars are (default: ../shared/data/eval)",
                        default=pathlib.Path(__file__).resolve().parents[2] / "shared/data/eval")
    parser.add_argument("--model", help="default: the embedded one")
    parser.add_argument("--prompts", nargs="+", default=PROMPTS, metavar="SET")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="default: every tar there")
    options = parser.parse_args()

    clip = Clip(options.build, options.model)
    tars = sorted(options.data.glob("*-0000.tar"))
    if options.sets:
        tars = [tar for tar in tars if tar.name[:-len("-0000.tar")] in options.sets]
    print(f"{'set':20} {'prompts':12} {'metric':8} {'%':>6}")
    for tar in tars:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            for prompts, metric, percent in measure(clip, tar, pathlib.Path(folder), options.prompts):
                print(f"{tar.name[:-len('-0000.tar')]:20} {prompts:12} {metric:8} {percent:6.1f}")
        print(f"  {time.monotonic() - started:.0f} s", file=sys.stderr)


main()
