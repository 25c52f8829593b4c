#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every benchmark that docs/performance.md has numbers of, one after the other, beside ONNX Runtime, OpenVINO and Pillow
# (from PyPI, into build-bench/peers):
#
#   sh tests/bench/run.sh [NAME…]      NAME: one_thread two_threads texts frames pipeline live; none: all
#
# About 40 minutes on two cores, ten of them for memory over time. Processors should have nothing else to do: what the load was stands at the head of each part.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/packages.sh
. tests/packages.sh
# shellcheck disable=SC2086 # names are words
install_packages $test_packages python3-venv

readonly build=build-bench
[ -e $build/build.ninja ] || meson setup $build --buildtype=release >/dev/null
meson compile -C $build >/dev/null
[ -e $build/peers/ready ] || {
  python3 -m venv $build/peers
  $build/peers/bin/pip install --quiet numpy onnx onnxruntime openvino pillow
  touch $build/peers/ready
}
export GST_PLUGIN_PATH="$PWD/$build/gst" GST_REGISTRY="$PWD/$build/registry.bin"

one_thread ()
{
  taskset -c 0 $build/peers/bin/python tests/bench/peers.py $build/tests/bench-encode
}

two_threads ()
{
  $build/peers/bin/python tests/bench/peers.py $build/tests/bench-encode vit-b-32 --threads 2
}

# The names of ImageNet's classes, each once, where the evaluation data lie beside this folder.
texts ()
{
  sort -u "${CLIP_SHARED:-../shared}/data/eval/imagenet-sample.classes.txt" >$build/labels.txt || return 0
  taskset -c 0 $build/peers/bin/python tests/bench/texts.py $build/tests/bench-texts $build/labels.txt --templates 4
}

frames ()
{
  taskset -c 0 $build/peers/bin/python tests/bench/pillow.py $build/tests/bench-preprocess
  $build/tests/bench-preprocess
  $build/tests/bench-held
}

pipeline ()
{
  $build/tests/bench-pipeline
}

live ()
{
  $build/tests/bench-live 60
  GST_CLIP_SOAK=600 $build/tests/test-soak
}

[ $# -gt 0 ] || set -- one_thread two_threads texts frames pipeline live
for part; do
  printf '\n%s, %s, load %s\n' "$part" "$(date +%F)" "$(cut -d' ' -f1 /proc/loadavg)"
  $part 2>&1 | grep -vE 'WARNING|OpenH264'
done
