#!/bin/bash
# Runs the tests against the nginx of other Debian releases, and any nginx built
# from source: test-versions.sh [-h] [SUITE|TREE...]

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  cat <<END
usage: test-versions.sh [SUITE|TREE...]        (default: trixie sid)

For each release: installs a small Debian with nginx, compiler and what the
tests need into a folder, builds the module there and runs the unit tests and
t/ against that nginx, in namespaces of its own. The folders (about 1.5 GB
each) are kept: the second run takes only as long as the tests.

For each source tree of nginx or one of its kin (a folder with objs/nginx or
objs/angie, built already): builds the module for it and runs t/, here.

  VERSIONS='trixie sid'  the releases and trees, where none is named
  VERSIONS_DIR=dir       where the folders are (default build/versions)
  T='t/a.t t/b.t'        only these tests, and no unit tests
  JOBS=n                 compilers at once

Releases need root, debootstrap, and the Debian mirror that apt on this machine
uses.
END
}

. "$root/tools/debian-root.sh"

test_suite() {
  local suite=$1
  need_roots
  local folder=$roots/$suite
  prepare "$suite" "$folder"
  inside "$folder" machine /source/tools/install-deps.sh versions || return
  echo "=== $suite: $(chroot "$folder" nginx -v 2>&1)"
  inside "$folder" own make -C /source BUILD=/build \
    "$([ -z "${T:-}" ] && echo test || echo test-nginx)"
}

test_tree() {
  local tree=$1
  [ -n "$(compgen -G "$tree/objs/nginx")$(compgen -G "$tree/objs/angie")" ] || {
    echo "no objs/nginx in $tree: build it there first" >&2
    return 1
  }
  echo "=== $tree"
  env -u TEST_MODULE -u TEST_NGINX_BINARY make -C "$root" \
    BUILD="$roots/$(basename "$tree")" \
    NGINX_SRC="$(cd "$tree" && pwd)" test-nginx
}

test_version() {
  case $1 in
    */*) test_tree "$1" ;;
    *) test_suite "$1" ;;
  esac
}

for_each_version test_version 'trixie sid' "$@"
