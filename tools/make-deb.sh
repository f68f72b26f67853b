#!/bin/bash
# Packs a built module for Debian's nginx: make-deb.sh MODULE FOLDER

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
module=$1
folder=$2
name=libnginx-mod-http-upstream-502
conf=mod-http-upstream-502.conf
arch=$(dpkg --print-architecture)
version=$(sed -n 's/^upstream_502_version=//p' "$root/config")

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 0755 "$stage"
tree=$stage/tree

install -D -m 0644 "$module" \
  "$tree/usr/lib/nginx/modules/${module##*/}"
strip --strip-unneeded "$tree/usr/lib/nginx/modules/${module##*/}"
install -d "$tree/usr/share/nginx/modules-available"
echo "load_module modules/${module##*/};" \
  >"$tree/usr/share/nginx/modules-available/$conf"
install -D -m 0644 "$root/LICENSE" "$tree/usr/share/doc/$name/copyright"
if [ -f "$root/README.md" ]; then
  install -m 0644 "$root/README.md" "$tree/usr/share/doc/$name/"
fi

# Which libraries it needs, and which nginx: the ABI name that nginx's own
# package provides.
mkdir -p "$stage/debian"
printf 'Source: %s\n\nPackage: %s\nArchitecture: any\n' "$name" "$name" \
  >"$stage/debian/control"
libraries=$(cd "$stage" && dpkg-shlibdeps -O \
  "tree/usr/lib/nginx/modules/${module##*/}" 2>/dev/null)
libraries=${libraries#shlibs:Depends=}
abi=$(dpkg-query -W -f '${Provides}' nginx | tr -d ' ' | tr ',' '\n' |
  grep '^nginx-abi-')

mkdir -p "$tree/DEBIAN"
cat >"$tree/DEBIAN/control" <<END
Package: $name
Version: $version
Architecture: $arch
Section: httpd
Priority: optional
Maintainer: ngx_http_upstream_502_module authors <root@localhost>
Depends: $abi, $libraries
Installed-Size: $(du -sk "$tree/usr" | cut -f1)
Description: captures every failed upstream attempt of nginx, with its cause
 Counts and explains the 502 and 504 responses of nginx: variables for the
 access log, a status page, JSON and Prometheus metrics.
END

cat >"$tree/DEBIAN/postinst" <<END
#!/bin/sh
set -e
# An administrator who removed the link on purpose does not get it back.
if [ "\$1" = configure ]; then
  if [ -z "\$2" ] && [ -d /etc/nginx/modules-enabled ]; then
    ln -sf /usr/share/nginx/modules-available/$conf \\
      /etc/nginx/modules-enabled/50-$conf
  fi
  dpkg-trigger --no-await nginx-reload || true
fi
END
cat >"$tree/DEBIAN/prerm" <<END
#!/bin/sh
set -e
if [ "\$1" = remove ] || [ "\$1" = deconfigure ]; then
  rm -f /etc/nginx/modules-enabled/50-$conf
  dpkg-trigger --no-await nginx-reload || true
fi
END
chmod 0755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm"

deb=$folder/${name}_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$tree" "$deb" >/dev/null
echo "$deb"
