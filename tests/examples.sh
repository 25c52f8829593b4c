#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The C and the Python example read the same from the same video: `tests/examples.sh READ-LABELS ZONES`, the built C examples.
# Exit status 77 (skipped) where Python has no PyGObject.
set -eu
program=$1
zones=$2
example=$(dirname "$0")/../examples/read-labels.py
for python in python3 /usr/bin/python3 none; do
  [ $python != none ] || { echo 'no PyGObject'; exit 77; }
  $python -c 'import gi; gi.require_version("Gst", "1.0")' 2>/dev/null && break
done

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
gst-launch-1.0 -q videotestsrc num-buffers=35 pattern=ball ! video/x-raw,format=I420,width=160,height=120 ! avimux \
  ! filesink location="$folder/ball.avi"

"$program" "$folder/ball.avi" 'a white ball;a cat' >"$folder/c.out"
"$python" "$example" "$folder/ball.avi" 'a white ball;a cat' >"$folder/python.out"
cat "$folder/c.out"
diff "$folder/c.out" "$folder/python.out"
[ "$(wc -l <"$folder/c.out")" = 4 ] # every tenth of 35 frames

# Whoever reads a few lines only is not told of all the others.
"$python" "$example" "$folder/ball.avi" 'a white ball;a cat' 2>"$folder/python.err" | true
[ ! -s "$folder/python.err" ]

# Halves of the picture, each by itself; a third zone is outside.
"$zones" "$folder/ball.avi" 'a white ball;a cat' left=0,0,80x120 right=80,0,80x120 beyond=160,0,9x9 >"$folder/zones.out"
cat "$folder/zones.out"
[ "$(grep -cE '  left: a (white ball|cat) [01]\.[0-9]+  right: a (white ball|cat) [01]\.[0-9]+$' "$folder/zones.out")" = 4 ]

# A copy with subtitles, where the words are; labelled pictures.
examples=$(dirname "$example")
sh "$examples/subtitles.sh" "$folder/ball.avi" 'a white ball;a cat' "$folder/ball.mkv"
grep -aqE 'a white ball|a cat' "$folder/ball.mkv"
if gst-inspect-1.0 clipoverlay >/dev/null 2>&1; then # built where Pango is
  SINK="jpegenc ! multifilesink location=$folder/%02d.jpg" sh "$examples/overlay.sh" 'a white ball;a cat' "$folder/ball.avi"
  [ -s "$folder/34.jpg" ]
fi

# An archive, twice: the list is the same, and nothing is done again.
mkdir "$folder/archive"
cp "$folder/ball.avi" "$folder/archive"
sh "$examples/archive.sh" 'a white ball' 'a cat' "$folder/archive" >"$folder/first.out" 2>"$folder/first.err"
sh "$examples/archive.sh" 'a white ball' 'a cat' "$folder/archive" >"$folder/second.out" 2>"$folder/second.err"
grep -q 'a white ball  *ball.avi$' "$folder/first.out"
diff "$folder/first.out" "$folder/second.out"
grep -q labelled "$folder/first.err"
grep -q skipped "$folder/second.err"

# A doorbell rings, where there is a broker and an RTSP server.
if PATH=$PATH:/usr/sbin command -v mosquitto >/dev/null && command -v mosquitto_sub >/dev/null &&
  "$python" -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null; then
  port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" >"$folder/broker.conf"
  PATH=$PATH:/usr/sbin mosquitto -c "$folder/broker.conf" >"$folder/broker.log" 2>&1 &
  broker=$!
  door=mqtt://127.0.0.1:$port/door
  until mosquitto_pub -L "$door" -n 2>/dev/null; do kill -0 $broker && sleep 0.1; done
  # Long enough for a processor that needs seconds for a picture.
  gst-launch-1.0 -q videotestsrc num-buffers=900 pattern=ball ! video/x-raw,format=I420,width=160,height=120 ! jpegenc ! avimux \
    ! filesink location="$folder/door.avi"
  BELL="echo ding" timeout 60 sh "$examples/doorbell.sh" ring "$door" >"$folder/ring.out" &
  ring=$!
  LABELS='a white ball' BACKGROUND='a cat' timeout -s INT 60 sh "$examples/doorbell.sh" watch "$door" "$folder/door.avi" \
    >"$folder/watch.out" 2>"$folder/watch.err" &
  watch=$!
  for _ in $(seq 300); do grep -q ding "$folder/ring.out" && break; sleep 0.1; done
  kill $watch $ring $broker || true
  wait $watch $ring $broker || true
  cat "$folder/ring.out" "$folder/watch.err"
  grep -q 'door/state: online' "$folder/ring.out"
  grep -q '"event": "start", "label": "a white ball"' "$folder/ring.out"
  grep -q ding "$folder/ring.out"
fi

# A model of one file, made once.
for line in first second; do
  sh "$examples/models.sh" default 'a white ball;a cat' "$folder/ball.avi" "$folder/small.safetensors" >"$folder/$line.out"
done
grep -q '"weights": "i8"' "$folder/second.out"
grep -q '"a white ball"' "$folder/second.out"

# Both end, with the reason, where something is wrong.
fails ()
{
  status=0
  timeout 60 "$@" || status=$?
  [ $status = 1 ]
}
fails "$program" "$folder/none.avi" 'a cat'
fails "$zones" "$folder/none.avi" 'a cat;a dog' all=0,0,9x9
fails "$program" "$folder/ball.avi" 'a cat;;a dog'
fails "$python" "$example" "$folder/none.avi" 'a cat'
fails "$python" "$example" "$folder/ball.avi" 'a cat;;a dog'
