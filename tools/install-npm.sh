#!/bin/bash
# Puts the npm packages that the tests of the page need (t/browser/package.json
# names them and their versions) into build/npm. Fails where there is no npm or
# no registry; those tests are skipped then.

set -eu

cd "$(dirname "$0")/.."
folder=${BUILD:-build}/npm

if ! command -v npm >/dev/null; then
  echo "no npm" >&2
  exit 1
fi
mkdir -p "$folder"
if ! cmp -s t/browser/package.json "$folder/package.json" ||
  [ ! -d "$folder/node_modules" ]; then
  cp t/browser/package.json "$folder/"
  if ! timeout 300 npm install --prefix "$folder" --ignore-scripts --no-audit \
    --no-fund --loglevel=error; then
    rm -f "$folder/package.json"
    exit 1
  fi
fi
