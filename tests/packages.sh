# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC1091,SC2034
# The Debian packages this project needs, in one place, and how to install them. Sourced by tests/run.sh, examples/run.sh
# and .ci/run; Debian 12 or 13.

build_packages='gcc libc6-dev pkg-config meson ninja-build libglib2.0-dev libgstreamer1.0-dev
  libgstreamer-plugins-base1.0-dev libjson-glib-dev libopenblas-dev liborc-0.4-dev
  libarchive-dev zlib1g-dev libgdk-pixbuf-2.0-dev libpango1.0-dev libcurl4-openssl-dev
  libmosquitto-dev'

# GstAnalytics came with GStreamer 1.24, in -bad; Debian 12 has 1.22, whose -bad-dev brings half of OpenCV and nothing else.
case "$( . /etc/os-release && echo "${VERSION_ID:-13}" )" in
  12) ;;
  *) build_packages="$build_packages libgstreamer-plugins-bad1.0-dev" ;;
esac

# Decoders, and the tools of the first pipelines.
play_packages='gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-libav'

# Python runs the tests' helpers and the PyGObject example; the programs and the library never need it. MPI is optional:
# training over several processes. gstreamer1.0-x has textoverlay; mosquitto is the broker that events are published to.
test_packages="$build_packages $play_packages gstreamer1.0-x libopenmpi-dev openmpi-bin mosquitto mosquitto-clients openssl python3 python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  gir1.2-gst-rtsp-server-1.0"

# The cross compiler, and what runs its programs.
arm64_packages='gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user'

as_root ()
{
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "$0: packages are missing and neither root nor sudo is at hand: $*" >&2
    return 1
  fi
}

# install_packages NAME…: installs those that are missing; asks nobody, and touches no network when there are none.
install_packages ()
{
  missing=
  for package; do
    dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  echo "installing:$missing" >&2
  # shellcheck disable=SC2086 # names are words
  as_root sh -c 'export DEBIAN_FRONTEND=noninteractive
    apt-get -q -o Acquire::Retries=3 update &&
    apt-get -qy -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"' \
    install $missing </dev/null >&2
}
