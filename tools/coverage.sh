#!/bin/bash
# Prints which lines of the core its unit tests ran: coverage.sh CMAKE_FOLDER

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$1"

find . -name '*.gcda' -path '*upstream_502.dir*' -print0 |
  xargs -0r gcov -r -s "$root" |
  awk '/^File .src\/core|^File .include/ { file = $2; next }
       /^Lines executed/ && file { print $0, file; file = "" }' |
  sed 's/Lines executed:\([0-9.]*\)% of \([0-9]*\)/\1 \2/' |
  sort -u -k3 | awk '
    { printf "%6.2f%% of %4d %s\n", $1, $2, $3
      lines += $2; ran += $1 * $2 / 100 }
    END { if (lines) printf "%6.2f%% of %4d in all\n", ran * 100 / lines, lines }'
