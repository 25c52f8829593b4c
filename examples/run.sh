#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds gst-clip and shows what it sees in a video, second by second, on Debian 12 or 13 as it comes (root or sudo).
#
#   sh examples/run.sh                               a street filmed from above: vtest.avi of Debian's package opencv-doc
#   sh examples/run.sh FILE                          your video or picture, with the same labels
#   sh examples/run.sh FILE 'a cat;a dog;a lawn'     your labels, separated by semicolons
#
# It needs no network once packages are installed: the model is embedded in the library.
set -eu
case ${1:-} in
  '' | /*) file=${1:-} ;;
  *) file=$PWD/$1 ;;
esac
labels=${2:-}
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh

# shellcheck disable=SC2086 # lists of words
install_packages $build_packages $play_packages

[ -e build/build.ninja ] || meson setup build >&2
meson compile -C build >&2

# ------------------------------------------------------------------------------------------------------------ a video

video=/usr/share/doc/opencv-doc/examples/data/vtest.avi

# Where dpkg is told to leave documentation out (container images are), the file is taken from the package itself.
fetch_video ()
{
  install_packages opencv-doc
  [ ! -e "$video" ] || return 0
  video=$PWD/build/vtest.avi
  [ ! -e "$video" ] || return 0
  mkdir -p build/opencv-doc
  ( cd build/opencv-doc && apt-get -q download opencv-doc >&2 )
  dpkg-deb --fsys-tarfile build/opencv-doc/opencv-doc_*.deb |
    tar -xO ./usr/share/doc/opencv-doc/examples/data/vtest.avi >"$video.part"
  mv "$video.part" "$video"
  rm -r build/opencv-doc
}

if [ -n "$file" ]; then
  video=$file
else
  fetch_video
fi

# ----------------------------------------------------------------------------------------------------------- what it sees

# One line a second: the best three labels of the first frame classified in it.
readable ()
{
  awk '
    BEGIN { second = -1 }
    {
      pts = match($0, /"pts": *[0-9.]+/) ? substr($0, RSTART + 6, RLENGTH - 6) + 0 : -1
      if (pts >= 0 && int(pts) == second)
        next
      second = int(pts)
      printf "%s ", pts < 0 ? "  " : sprintf("%3d:%02d", second / 60, second % 60)
      rest = $0
      for (n = 0; n < 3 && match(rest, /"label": *"([^"\\]|\\.)*", *"score": *[-+0-9.eE]+/); n++) {
        pair = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        score = pair
        sub(/.*"score": */, "", score)
        sub(/^"label": *"/, "", pair)
        sub(/", *"score".*/, "", pair)
        gsub(/\\"/, "\"", pair)
        if (n == 0)
          printf "%3.0f %% %-20s %-30s", 100 * score, substr("####################", 1, int(20 * score + .5)), pair
        else
          printf "  %3.0f %% %s", 100 * score, pair
      }
      print ""
      fflush()
    }'
}

GST_REGISTRY=$PWD/build/gst-registry.bin
export GST_REGISTRY
if [ -n "$labels" ]; then
  set -- --labels "$labels"
else
  set -- --labels-file examples/street.json
fi
echo "$video" >&2
rm -f build/example.failed
{
  build/gst/cli/gst-clip classify "$@" --interval 10 --top-k 3 "$video" || touch build/example.failed
} | readable
[ ! -e build/example.failed ] || exit 1

cat >&2 <<END

The same in a pipeline, with messages when the labels change:

  meson devenv -C build gst-launch-1.0 -m filesrc location="$video" ! decodebin ! videoconvert ! \\
    clipclassify labels="people walking outside;an empty street" interval=10 ! fakesink
END
