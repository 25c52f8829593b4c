#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Copies a film's pictures, as they are, into a Matroska file with a subtitle track of what is seen (the sound stays behind):
#
#   meson devenv -C build -w . sh examples/subtitles.sh FILM.mp4 'a car on a road;a person walking;an empty road' LABELLED.mkv
#
# A queue in each branch holds what the muxer waits for: half a second of text, and the frames that a decoder keeps.
set -eu
[ $# = 3 ] || { echo "usage: $0 FILE LABELS OUTPUT.mkv" >&2; exit 2; }
exec gst-launch-1.0 -q filesrc location="$1" ! parsebin \
  ! capsfilter caps='video/x-h264;video/x-h265;video/x-vp8;video/x-vp9;video/x-av1;video/mpeg;image/jpeg;video/x-raw' ! tee name=t \
  t. ! queue max-size-time=5000000000 max-size-bytes=0 ! matroskamux name=mux ! filesink location="$3" \
  t. ! queue ! decodebin ! videoconvert ! clipclassify labels="$2" interval=5 threshold=0.5 ! cliptext ! queue ! mux.
