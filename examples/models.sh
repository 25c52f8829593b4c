#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Gets a published model by name ('gst-clip models' lists them, each with its licence), makes one small file of it, and tells with that
# what a film or a picture shows:
#
#   meson devenv -C build -w . sh examples/models.sh ViT-B/32 'a cat;a dog;an empty garden' FILM.mp4 vit-b-32.safetensors
#
# What is there already is neither fetched nor made again. 'default' is the model that comes with the plugin.
set -eu
[ $# = 4 ] || { echo "usage: $0 MODEL LABELS FILE OUTPUT.safetensors" >&2; exit 2; }
if [ ! -e "$4" ]; then
  [ "$1" = default ] || gst-clip fetch "$1"
  gst-clip convert --precision int8 "$1" "$4" # weights, configuration and vocabulary, in a quarter of the size
fi
gst-clip inspect --model "$4"
gst-clip classify --model "$4" --precision int8 --labels "$2" --threshold 0 --interval 25 "$3"
