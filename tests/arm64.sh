#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds everything for AArch64 with Debian's cross compiler, and runs tests under qemu: first as on a processor that has
# every extension, then the kernels as on one that has none. On Debian 12 or 13 (root or sudo, to install the compiler).
# The last line is "N passed, N failed, N skipped".
#
#   sh tests/arm64.sh                            the folder build-arm64/, which may exist already
#   TESTS='kernels towers' sh tests/arm64.sh     these tests
#
# The libraries are Debian's, unpacked into a folder of their own; this machine's packages stay as they are. In
# GST_CLIP_ARM64_ROOT one says which.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh

readonly build='build-arm64'
root=${GST_CLIP_ARM64_ROOT:-/var/cache/gst-clip/arm64}
# shellcheck disable=SC2086 # a list of words
libraries=$(printf '%s\n' $build_packages | grep -e '-dev$')

# Those that take seconds, not minutes: convert, format, preprocess, product and whatever encodes much do; reduced takes two,
# and has towers in int8 and bf16.
tests=${TESTS:-anchors bpe fresh goals json kernels names normalize optimizer quads reduced resize safetensors siglip
  siglip-c threads train-conv variants virtual weights winograd}
kernel_tests=${TESTS:-kernels quads resize siglip winograd}

# To apt it is another machine, on which nothing is installed yet.
make_root ()
{
  rm -rf "$root.new" "$root.apt"
  mkdir -p "$root.new" "$root.apt/lists/partial" "$root.apt/archives/partial"
  : >"$root.apt/status"
  cat >"$root.apt/apt.conf" <<END
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
Acquire::Retries "3";
Dir::State "$root.apt";
Dir::State::status "$root.apt/status";
Dir::Cache "$root.apt";
END
  (
    export APT_CONFIG="$root.apt/apt.conf"
    apt-get -q update
    # shellcheck disable=SC2086 # a list of words
    apt-get -qy -o Dpkg::Use-Pty=0 install --download-only --no-install-recommends $libraries
  )
  for package in "$root.apt"/archives/*.deb; do
    dpkg-deb --extract "$package" "$root.new"
  done
  # What OpenBLAS's installation would have chosen.
  ln -s openblas-pthread/libopenblas.so.0 "$root.new/usr/lib/aarch64-linux-gnu/"
  cat >"$root.new/meson.ini" <<END
[constants]
root = '$root'
libraries = root / 'usr/lib/aarch64-linux-gnu'

[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-gcc-ar'
strip = 'aarch64-linux-gnu-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64', '-L', root]

[built-in options]
c_args = ['--sysroot=' + root]
c_link_args = ['--sysroot=' + root]

[properties]
sys_root = root
pkg_config_libdir = [libraries / 'pkgconfig', libraries / 'openblas-pthread/pkgconfig', root / 'usr/share/pkgconfig']

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'armv8-a'
endian = 'little'
END
  echo "$libraries" >"$root.new/made-of"
  rm -rf "$root.apt" "$root"
  mv "$root.new" "$root"
}

# shellcheck disable=SC2086 # lists of words
install_packages $build_packages $arm64_packages python3
[ "$(cat "$root/made-of" 2>/dev/null)" = "$libraries" ] || make_root

[ -e "$build/build.ninja" ] || meson setup "$build" --cross-file "$root/meson.ini" -Dwerror=true
meson compile -C "$build"

# Which code OpenBLAS takes is not what is tested.
export OPENBLAS_CORETYPE=ARMV8
status=0
rm -f "$build"/testlog.json
run () # PROCESSOR TEST…
{
  export QEMU_CPU="$1"
  shift
  rm -f "$build"/meson-logs/testlog.json
  meson test -C "$build" --no-rebuild --timeout-multiplier 4 --print-errorlogs "$@" || status=$?
  cat "$build"/meson-logs/testlog.json >>"$build"/testlog.json
}
# shellcheck disable=SC2086 # lists of words
run max $tests
# shellcheck disable=SC2086
run cortex-a57 $kernel_tests
python3 tests/count.py "$build"/testlog.json && exit "$status"
