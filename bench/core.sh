#!/bin/bash
# Builds the benchmarks of the core and runs them; arguments go to the program
# (--benchmark_filter=Copy).

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}/bench
mkdir -p "$build"

if ! echo '#include <benchmark/benchmark.h>' | g++ -E -x c++ - >/dev/null 2>&1
then
    apt-get install -y libbenchmark-dev
fi

mapfile -t sources < <(grep -o 'src/core/[a-z0-9_]*\.cc' "$root/config")
mapfile -t packages < <(grep -o '\<absl_[a-z0-9_]*' "$root/config")
read -ra abseil < <(pkg-config --libs "${packages[@]}")
g++ -std=c++20 -O2 -I"$root/include" -o "$build/core_bench" \
    "$root/bench/core_bench.cc" "${sources[@]/#/$root/}" -lbenchmark \
    -lpthread "${abseil[@]}"
exec "$build/core_bench" "$@"
