# Other Debian releases in folders, for tools that source this: needs $root, the
# folder of the project, and a function `usage`.
# shellcheck shell=bash

roots=${VERSIONS_DIR:-$root/build/versions}

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# The mirror of this machine, and how it is reached.
mirror() {
  local found
  found=$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 'Component: main' 2>/dev/null |
    grep -v security | head -1)
  echo "${found:-http://deb.debian.org/debian/}"
}

prepare() {
  local suite=$1 folder=$2
  if [ ! -d "$folder" ]; then
    echo "=== $suite: debootstrap, its output is in $folder.log"
    rm -rf "$folder.new"
    mkdir -p "$folder.new"
    debootstrap --variant=minbase "$suite" "$folder.new" "$(mirror)" \
      >"$folder.log" 2>&1 || {
      tail -5 "$folder.log" >&2
      fail "debootstrap $suite failed"
    }
    mv "$folder.new" "$folder"
  fi
  # Proxies of this machine, and whether it minds a mirror that is a snapshot.
  apt-config dump | grep -E '^Acquire::(https?|Check-[-A-Za-z]+)\b' \
    >"$folder/etc/apt/apt.conf.d/99machine" || :
  cp -L /etc/resolv.conf "$folder/etc/resolv.conf"
  mkdir -p "$folder/source" "$folder/build"
}

# inside FOLDER NETWORK COMMAND...: with a /proc and processes of its own, and
# with the machine's network or only a loopback.
inside() {
  local folder=$1 network=$2
  shift 2
  local namespaces=(--mount --pid --fork --kill-child)
  [ "$network" = own ] && namespaces+=(--net)
  # The shell stays: as process 1 it collects what daemons leave behind.
  unshare "${namespaces[@]}" bash -euc '
    source=$1 folder=$2 network=$3
    shift 3
    mount --make-rprivate /
    # A root that is no mount cannot be unshared again.
    mount --bind "$folder" "$folder"
    mount -t proc proc "$folder/proc"
    mount -t sysfs sysfs "$folder/sys"
    mount --rbind /dev "$folder/dev"
    mount -t tmpfs tmpfs "$folder/run"
    mount --bind "$source" "$folder/source"
    mount -o remount,ro,bind "$folder/source"
    [ "$network" = machine ] || ip link set lo up
    chroot "$folder" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      LC_ALL=C.UTF-8 UPSTREAM_502_WERROR=-Werror JOBS="$JOBS" T="${T:-}" TEST_LONG="${TEST_LONG:-}" "$@"
  ' - "$root" "$folder" "$network" "$@"
}

# What all of this takes, before anything begins.
need_roots() {
  [ "$(id -u)" -eq 0 ] || fail "needs root: namespaces, mounts and chroot"
  for tool in debootstrap unshare ip; do
    command -v $tool >/dev/null ||
      fail "no $tool here: apt-get install debootstrap util-linux iproute2"
  done

  export JOBS=${JOBS:-$(nproc)}
  mkdir -p "$roots"
  roots=$(cd "$roots" && pwd)
}

# for_each_version COMMAND DEFAULT ARGUMENT...: reads the options of the tool and
# runs COMMAND for each version that it was called with, or else of VERSIONS, or
# else of DEFAULT. Says at its end which of them failed.
for_each_version() {
  local command=$1 default=$2 failed='' option version
  shift 2
  while getopts h option; do
    case $option in
      h) usage && exit ;;
      *) usage >&2 && exit 2 ;;
    esac
  done
  shift $((OPTIND - 1))
  [ $# -gt 0 ] || eval "set -- ${VERSIONS:-$default}"
  for version in "$@"; do
    "$command" "$version" || failed+=" $version"
  done
  [ -z "$failed" ] || fail "failed:$failed"
}
