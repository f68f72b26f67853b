#!/bin/bash
# Builds what is measured without nginx and runs it: core.sh PROGRAM [ARGS]
#
#   core_bench   what the core's functions take (--benchmark_filter=Copy)
#   contention   processes that count requests of one peer

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}/bench
mkdir -p "$build"
program=$1
shift

libraries=(-lpthread)
[ "$program" != core_bench ] || libraries+=(-lbenchmark)
mapfile -t sources < <(grep -o 'src/core/[a-z0-9_]*/[a-z0-9_]*\.cc' "$root/config")
mapfile -t packages < <(grep -o '\<absl_[a-z0-9_]*' "$root/config")
read -ra abseil < <(pkg-config --libs "${packages[@]}")
sh "$root/src/web/embed.sh" >"$build/page_data.h"
g++ -std=c++20 -O2 -I"$root/include" -I"$build" -o "$build/$program" \
    "$root/bench/$program.cc" "${sources[@]/#/$root/}" "${libraries[@]}" \
    "${abseil[@]}"
exec "$build/$program" "$@"
