#!/bin/bash
# Runs the tests against the nginx of other Debian releases:
# test-versions.sh [-h] [SUITE...]

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  cat <<END
usage: test-versions.sh [SUITE...]        (default: trixie sid)

For each release: installs a small Debian with nginx, compiler and what the
tests need into a folder, builds the module there and runs the unit tests and
t/ against that nginx, in namespaces of its own. The folders (about 1.5 GB
each) are kept: the second run takes only as long as the tests.

  VERSIONS='trixie sid'  the releases, where none is named
  VERSIONS_DIR=dir       where the folders are (default build/versions)
  T='t/a.t t/b.t'        only these tests, and no unit tests
  JOBS=n                 compilers at once

Needs root, debootstrap, and the Debian mirror that apt on this machine uses.
END
}

. "$root/tools/debian-root.sh"

test_suite() {
  local suite=$1
  local folder=$roots/$suite
  prepare "$suite" "$folder"
  inside "$folder" machine /source/tools/install-deps.sh versions || return
  echo "=== $suite: $(chroot "$folder" nginx -v 2>&1)"
  inside "$folder" own make -C /source BUILD=/build \
    "$([ -z "${T:-}" ] && echo test || echo test-nginx)"
}

while getopts h option; do
  case $option in
    h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
done
shift $((OPTIND - 1))

need_roots
[ $# -gt 0 ] || eval "set -- ${VERSIONS:-trixie sid}"

failed=
for suite in "$@"; do
  test_suite "$suite" || failed+=" $suite"
done
[ -z "$failed" ] || fail "failed:$failed"
