#!/bin/bash
# Installs what a group of targets needs and this machine lacks:
# install-deps.sh build|test|demo|deb|lint|bench|fuzz|ci|versions|package
#
# Debian and its kin only. Without root or a password-less sudo it prints what
# to install and fails.

set -eu

build="gcc g++ make pkgconf nginx nginx-dev libabsl-dev"
test="$build cmake libgtest-dev libgmock-dev perl libio-socket-ssl-perl
  curl openssl iproute2"
demo="$build perl curl php-fpm"
deb="$build build-essential debhelper dpkg-dev perl"
lint="$build cmake libgtest-dev libgmock-dev clang-format clang-tidy openssl"
bench="$build perl valgrind libbenchmark-dev"
# The names without a version lead to the release's own.
fuzz="clang libclang-rt-dev cmake make pkgconf libabsl-dev libssl-dev"
# What some tests skip without. Not in `test`: neighbours of ours in nginx are
# switched on by their packages.
optional="prometheus python3-prometheus-client python3-jsonschema
  bind9-dnsutils gnutls-bin iptables netcat-openbsd systemd-journal-remote auditd
  libnginx-mod-http-lua libnginx-mod-http-echo
  libnginx-mod-http-headers-more-filter"
fleet="rsyslog clickhouse-server clickhouse-client"
backends="php-fpm memcached gunicorn uwsgi-core uwsgi-plugin-python3 python3-grpcio nodejs"
ci="$test $lint $deb $fuzz $optional $fleet $backends chromium npm lintian man-db"
# Within another Debian: see test-versions.sh, test-package.sh.
versions="$test $optional"
package="$deb curl man-db"

case ${1:-} in
  build) wanted=$build ;;
  test) wanted=$test ;;
  demo) wanted=$demo ;;
  deb) wanted=$deb ;;
  lint) wanted=$lint ;;
  bench) wanted=$bench ;;
  fuzz) wanted=$fuzz ;;
  ci) wanted=$ci ;;
  versions) wanted=$versions ;;
  package) wanted=$package ;;
  *)
    echo "usage: $0 build|test|demo|deb|lint|bench|fuzz|ci|versions|package" >&2
    exit 2
    ;;
esac

# Another nginx source tree brings its own headers, and needs no Debian nginx.
if [ -n "${NGINX_SRC:-}" ]; then
  wanted=${wanted/ nginx nginx-dev/ libpcre2-dev zlib1g-dev libssl-dev}
fi

if ! command -v dpkg-query >/dev/null; then
  echo "not a Debian system: make sure of the like of: $wanted" >&2
  exit 0
fi

installed() {
  case $1 in
    # The name is a meta package; any version of it will do.
    php-fpm) compgen -G '/usr/sbin/php-fpm[0-9]*' >/dev/null ;;
    # From wherever they are.
    nodejs) command -v node >/dev/null ;;
    npm) command -v npm >/dev/null ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = \
      installed ] ;;
  esac
}

missing=()
for package in $wanted; do
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
  sudo="sudo -n"
  if ! $sudo true 2>/dev/null; then
    echo "please install: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi

# A package's daemon must not come up because somebody wanted to build a
# module. A policy of the administrator stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap '$sudo rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
  $sudo chmod 0755 $policy
fi

echo "installing: ${missing[*]}"
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
