#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A picture sheet, for the eye: of each event that `gst-clip label` finds, the frame in its middle with time and label.
#
#   meson devenv -C build -w . sh tests/sheet.sh 'cars driving on a road;people in a room' 'grey asphalt;an empty room' FOLDER SHEET.jpg
#
# Rows of four, in the order of the videos and of time; the frames lie beside, as SHEET.jpg.N.jpg. Not part of the tests:
# whether the labels are right, a person sees.
set -eu
[ $# = 4 ] || { echo "usage: $0 LABELS BACKGROUND FOLDER SHEET.jpg" >&2; exit 2; }
columns=4 width=384 height=216
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
gst-clip label --labels "$1" --background "$2" --threshold 0.5 --hysteresis 0.1 --min-off 2 --events --format csv \
  --output "$folder" "$3" >&2

# element,model,label,start,end,…
n=0
pads='' branches=''
for sidecar in "$folder"/*.csv; do
  video=$3/$(basename "$sidecar" .csv)
  sort -t, -n -k4 "$sidecar" | grep -v '^element,' >"$folder/events" || continue
  while IFS=, read -r _ _ label start end _; do
    middle=$(awk -v s="$start" -v e="$end" 'BEGIN { printf "%05d", s + e }') # in frames, two a second
    when=$(awk -v s="$start" -v e="$end" 'BEGIN { printf "%.1f - %.1f s", s, e }')
    gst-launch-1.0 -q filesrc location="$video" ! decodebin ! videoconvert ! videoscale ! videorate \
      ! "video/x-raw,format=I420,width=$width,height=$height,framerate=2/1,pixel-aspect-ratio=1/1" \
      ! textoverlay text="$label   $when" valignment=bottom font-desc='Sans 16' shaded-background=true \
      ! jpegenc ! multifilesink location="$folder/frame%05d.jpg" </dev/null
    cp "$folder/frame$middle.jpg" "$4.$n.jpg"
    rm "$folder"/frame*.jpg
    row=$((n / columns))
    pads="$pads sink_$n::xpos=$((n % columns * width)) sink_$n::ypos=$((row * height))"
    branches="$branches filesrc location=$4.$n.jpg ! jpegdec ! c.sink_$n"
    n=$((n + 1))
  done <"$folder/events"
done
[ "$n" -gt 0 ] || { echo "$0: no event" >&2; exit 1; }
# shellcheck disable=SC2086 # lists of words
gst-launch-1.0 -q compositor name=c background=black $pads ! videoconvert ! jpegenc snapshot=true ! filesink location="$4" $branches
echo "$n events: $4"
