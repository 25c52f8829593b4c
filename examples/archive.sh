#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Labels all videos of a folder, with subtitles for a player beside each, and lists when something was seen:
#
#   meson devenv -C build -w . sh examples/archive.sh 'a car on a road;a person walking' 'grey asphalt;an empty room' FOLDER [OUTPUT]
#
# Given again, it goes on where it was interrupted, and adds what is new.
set -eu
[ $# = 3 ] || [ $# = 4 ] || { echo "usage: $0 LABELS BACKGROUND FOLDER [OUTPUT]" >&2; exit 2; }
output=${4:-$3}
status=0
gst-clip label --labels "$1" --background "$2" --threshold 0.5 --hysteresis 0.1 --min-off 2 --events --format csv,vtt \
  --output "$output" "$3" >&2 || status=$? # a bad video does not stop the list

# element,model,label,start,end,…: labels have no commas here; start … end, label, video
find "$output" -name '*.csv' | sort | while read -r sidecar; do
  name=${sidecar#"$output"/}
  awk -F, -v name="${name%.csv}" 'NR > 1 { printf "%8.1f … %8.1f  %-30s %s\n", $4, $5, $3, name }' "$sidecar"
done
exit $status
