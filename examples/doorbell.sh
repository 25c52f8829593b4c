#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A doorbell without a button: one machine watches the door, another rings, and an MQTT broker is between them.
#
#   meson devenv -C build -w . sh examples/doorbell.sh watch mqtt://BROKER/home/door rtsp://CAMERA/
#   meson devenv -C build -w . sh examples/doorbell.sh watch mqtt://BROKER/home/door FILM.mp4         no camera at hand
#   BELL='paplay bell.oga' sh examples/doorbell.sh ring mqtt://BROKER/home/door
#
# LABELS, BACKGROUND and THRESHOLD say what to ring for. A film is played as a camera would show it, again and again. A broker of
# one's own: Debian's package mosquitto; `ring` needs mosquitto-clients, a film gir1.2-gst-rtsp-server-1.0. Ctrl-C ends either.
set -eu
usage () { echo "usage: $0 watch mqtt://BROKER/TOPIC CAMERA|FILM    or: $0 ring mqtt://BROKER/TOPIC" >&2; exit 2; }

watch () # ADDRESS CAMERA|FILM
{
  camera=$2
  if [ -f "$camera" ]; then
    folder=$(mktemp -d)
    /usr/bin/python3 "$(dirname "$0")/film-camera.py" "$camera" >"$folder/uri" &
    trap 'kill $! 2>/dev/null; rm -r "$folder"' EXIT
    trap 'exit 130' INT TERM
    while [ ! -s "$folder/uri" ]; do kill -0 $! && sleep 0.1; done
    camera=$(cat "$folder/uri")
  fi
  gst-clip watch --labels "${LABELS:-a person at the door}" --background "${BACKGROUND:-an empty doorway;an empty room}" \
    --threshold "${THRESHOLD:-0.6}" --hysteresis 0.1 --min-on 0.5 --min-off 3 --mqtt "$1" "$camera"
}

ring () # ADDRESS
{
  # What comes while nobody listens is kept for this client, since it says who it is (-i), and that it will be back (-c).
  mosquitto_sub -v -q 1 -c -i "doorbell-$(hostname)" -L "$1" -t "${1#*://*/}/state" | while read -r topic message; do
    case $message in
      online | offline) echo "$(date +%T) $topic: $message" ;;
      *'"event": "start"'*)
        echo "$(date +%T) $topic: $message"
        sh -c "${BELL:-printf '\\a'}"
        ;;
    esac
  done
}

case $#:${1:-} in
  3:watch) watch "$2" "$3" ;;
  2:ring) ring "$2" ;;
  *) usage ;;
esac
