#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds gst-clip and runs its tests, on Debian 12 or 13 as it comes (root or sudo): installs with apt-get what is missing,
# configures, compiles, tests. The last line is "N passed, N failed, N skipped"; the exit status is 0 where none failed.
#
#   sh tests/run.sh                                   the folder build/, which may exist already
#   sh tests/run.sh build-asan -Db_sanitize=address   another folder, with options for meson setup
#   TESTS='--suite core' sh tests/run.sh              some of the tests: arguments for meson test
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh

build=${1:-build}
[ $# = 0 ] || shift

# shellcheck disable=SC2086 # lists of words
install_packages $test_packages

if [ ! -e "$build/build.ninja" ]; then
  meson setup "$build" "$@"
elif [ $# != 0 ]; then
  meson configure "$build" "$@"
fi
meson compile -C "$build"

# A registry of its own: plugins of another build, or another GStreamer, never show up in this one.
GST_REGISTRY=$(cd "$build" && pwd)/gst-registry.bin
export GST_REGISTRY

# For builds with sanitizers: undefined behaviour fails a test, and what libraries keep until the end is no leak.
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"

# GStreamer's plugin scanner, a program without AddressSanitizer, cannot load a plugin that has it, unless told to begin
# with its library. (Scanning in the tests themselves would show the leaks of every plugin there is.)
if grep -q fsanitize=address "$build/build.ninja"; then
  GST_PLUGIN_SCANNER=$(cd "$build" && pwd)/plugin-scanner
  export GST_PLUGIN_SCANNER
  cat >"$GST_PLUGIN_SCANNER" <<END
#!/bin/sh
LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \\
  exec $(pkg-config --variable=pluginscannerdir gstreamer-1.0)/gst-plugin-scanner "\$@"
END
  chmod +x "$GST_PLUGIN_SCANNER"
fi

rm -f "$build/meson-logs/testlog.json"
status=0
# shellcheck disable=SC2086
meson test -C "$build" --no-rebuild --timeout-multiplier 4 --print-errorlogs ${TESTS:-} || status=$?
python3 tests/count.py "$build/meson-logs/testlog.json" && exit "$status"
