#!/bin/bash
# Plays what becomes of the Debian package on machines of other people:
# test-package.sh [-h] [SUITE...]

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/debian-root.sh"

usage() {
  cat <<END
usage: test-package.sh [SUITE...]        (default: bookworm trixie sid)

For each release: builds the package in a small Debian of that release, then
installs it beside a running nginx, upgrades from 0.1.0, breaks nginx's
configuration, removes, purges (tools/package-steps.sh). The folders are those
of test-versions.sh.

  VERSIONS='bookworm sid'  the releases, where none is named
  VERSIONS_DIR=dir         where the folders are (default build/versions)

Needs root, debootstrap, and the Debian mirror that apt on this machine uses.
END
}

test_suite() {
  local suite=$1
  need_roots
  local folder=$roots/$suite
  prepare "$suite" "$folder"
  inside "$folder" machine /source/tools/install-deps.sh package || return
  echo "=== $suite: $(chroot "$folder" nginx -v 2>&1)"
  inside "$folder" own /source/tools/build-deb.sh /build || return
  inside "$folder" own /source/tools/package-steps.sh /build
}

for_each_version test_suite 'bookworm trixie sid' "$@"
