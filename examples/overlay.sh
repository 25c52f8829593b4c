#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows a camera's pictures, or a film's, with labels and their scores:
#
#   meson devenv -C build -w . sh examples/overlay.sh 'a person;an empty room'
#   meson devenv -C build -w . sh examples/overlay.sh 'a car;an empty road' FILM.mp4
#   SINK='jpegenc ! multifilesink location=%05d.jpg' sh examples/overlay.sh LABELS FILM.mp4
#
# The leaky queue keeps a camera's video going where classifying takes longer than a frame.
set -eu
[ $# = 1 ] || [ $# = 2 ] || { echo "usage: $0 LABELS [FILE]" >&2; exit 2; }
labels=$1
case ${2:-} in
  '') set -- v4l2src ! videoconvert ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ;;
  *) set -- filesrc location="$2" ! decodebin ! videoconvert ! queue ;;
esac
# shellcheck disable=SC2086 # a list of words
exec gst-launch-1.0 -q "$@" ! clipclassify labels="$labels" threshold=0 ! clipoverlay ! videoconvert ! ${SINK:-autovideosink}
