#!/bin/bash
# Builds the Debian package as Debian does: build-deb.sh FOLDER
#
# dpkg-buildpackage wants debian/ at the top of a tree of its own: a copy of
# the sources in FOLDER/deb, with contrib/debian there and CHANGELOG.md as
# Debian writes it. Prints the package, which is put into FOLDER.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)

field() { sed -n "s/^$1: //p" "$root/contrib/debian/control" | head -1; }

package=$(field Source)
version=$(sed -n 's/^upstream_502_version=//p' "$root/config")
tree=$folder/deb/$package-$version

# What belongs to the project, also where it came as a tarball.
sources() {
  git -C "$root" ls-files --cached --others --exclude-standard 2>/dev/null ||
    (cd "$root" && find . \( -path ./build -o -path ./.git \) -prune -o \
      ! -type d -print)
}

rm -rf "$folder/deb"
mkdir -p "$tree"
sources | (cd "$root" && while read -r file; do
  [ ! -e "$file" ] || echo "$file"
done) | tar -C "$root" -cT - | tar -C "$tree" -x
cp -R "$root/contrib/debian" "$tree/debian"
perl "$root/tools/debian-changelog.pl" "$package" "$(field Maintainer)" \
  "$version" <"$root/CHANGELOG.md" >"$tree/debian/changelog"

if ! (cd "$tree" &&
  dpkg-buildpackage -us -uc ${JOBS:+-j$JOBS} >"$folder/deb/log" 2>&1); then
  tail -30 "$folder/deb/log" >&2
  exit 1
fi
if command -v lintian >/dev/null; then
  lintian --allow-root --fail-on error,warning "$folder"/deb/*.changes
fi
mv "$folder"/deb/"${package}_$version"_*.deb "$folder/"
echo "$folder/${package}_${version}_$(dpkg --print-architecture).deb"
