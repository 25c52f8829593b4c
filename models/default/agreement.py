#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How often two models give a picture the same first label:

    python3 models/default/agreement.py FLOAT-MODEL ROUNDED-MODEL FOLDER [--precision P] [--program gst-clip]

FOLDER has sets as gst-clip eval takes them; those with a NAME.classes.txt are compared, each under its own labels. A line each:
the set, pictures, those of one answer, their share. P is the arithmetic of the second, f32 that of the first.
"""
import argparse
import glob
import json
import os
import subprocess
import tarfile
import tempfile


def extract(shards, folder):
    paths = []
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    paths.append(os.path.join(folder, f"{len(paths):06}.jpg"))
                    with open(paths[-1], "wb") as file:
                        file.write(tar.extractfile(member).read())
    return paths


def classify(program, model, precision, labels, pictures):
    """→ the first label of each picture"""
    command = [program, "classify", "--precision", precision, "--model", model]
    command += ["--labels-file", labels, "--top-k", "1", *pictures]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    return [json.loads(line)["labels"][0]["label"] for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", metavar="MODEL", nargs=2)
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--precision", metavar="P", default="f32")
    parser.add_argument("--program", metavar="FILE", default="gst-clip")
    args = parser.parse_args()
    for classes in sorted(glob.glob(os.path.join(args.folder, "*.classes.txt"))):
        name = os.path.basename(classes)[: -len(".classes.txt")]
        with tempfile.TemporaryDirectory() as folder:
            labels = os.path.join(folder, "labels.json")
            with open(classes, encoding="utf-8") as source, open(labels, "w", encoding="utf-8") as target:
                json.dump(list(dict.fromkeys(source.read().splitlines())), target)  # a name may be there twice
            pictures = extract(sorted(glob.glob(os.path.join(args.folder, name + "-[0-9]*.tar*"))), folder)
            answers = [
                classify(args.program, model, precision, labels, pictures)
                for model, precision in zip(args.models, ("f32", args.precision))
            ]
        same = sum(a == b for a, b in zip(*answers))
        print(f"{name:20} {len(pictures):6} {same:6} {same / len(pictures):8.2%}", flush=True)


if __name__ == "__main__":
    main()
