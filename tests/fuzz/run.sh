#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs every libFuzzer target of a build made with -Dfuzzing=true: first over its corpus, then over mutations of it.
#
#   sh tests/fuzz/run.sh BUILD [LIBFUZZER-OPTION…]    -runs=5000, or -max_total_time=600 for a long run
#   TARGETS=labels sh tests/fuzz/run.sh BUILD         one target
#
# What is found lies in BUILD/fuzz/TARGET (new inputs) and BUILD/fuzz/TARGET-crash-…; a crash's input, minimised with
# -minimize_crash=1, goes into tests/fuzz/corpus/TARGET together with the fix.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
shift
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
passed=0 failed=0
mkdir -p "$build/fuzz"
for target in ${TARGETS:-$(cd "$here/corpus" && ls)}; do
  mkdir -p "$build/fuzz/$target"
  echo "== $target"
  if "$build/tests/fuzz/fuzz-$target" -artifact_prefix="$build/fuzz/$target-" -timeout=10 -rss_limit_mb=2048 \
      -max_len=16384 -print_final_stats=1 -verbosity=0 "$@" "$build/fuzz/$target" "$here/corpus/$target"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
