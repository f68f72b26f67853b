#!/bin/bash
# Builds the unit tests in a folder and runs them: unit-tests.sh FOLDER [-D...]

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
shift

cmake -S "$root/cmake" -B "$folder" "$@" >/dev/null
cmake --build "$folder" -j "${JOBS:-$(nproc)}"
cd "$folder"
ctest --output-on-failure -j "${JOBS:-$(nproc)}"
