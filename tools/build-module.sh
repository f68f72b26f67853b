#!/bin/bash
# Builds the module with nginx's own build, into $BUILD (default build).
#
#   NGINX_SRC   nginx source tree (default: that of Debian's nginx-dev)
#   NGINX_ARGS  arguments of configure; default: those the tree itself was
#               made with, so that the module's signature fits its binary
#   CC_OPT      compiler flags      LD_OPT  linker flags
#   JOBS        parallel jobs       CC      compiler        V=1  show commands

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}
mkdir -p "$build"
build=$(cd "$build" && pwd)
src=${NGINX_SRC:-/usr/share/nginx/src}

if [ ! -d "$src/auto" ]; then
  echo "no nginx source tree at $src (package nginx-dev, or NGINX_SRC=dir)" >&2
  exit 1
fi
src=$(cd "$src" && pwd)

args=(--with-compat)
if [ -n "${NGINX_ARGS:-}" ]; then
  eval "args=($NGINX_ARGS)"
elif [ -f "$src/conf_flags" ]; then
  . "$src/conf_flags"
  args=("${NGX_CONF_FLAGS[@]}")
elif [ -f "$src/objs/ngx_auto_config.h" ]; then
  recorded=$(sed -n 's/^#define NGX_CONFIGURE "\(.*\)"$/\1/p' \
    "$src/objs/ngx_auto_config.h" | sed 's/\\"/"/g')
  eval "args=($recorded)"
fi

# Other modules and another build folder are none of ours.
kept=()
for arg in "${args[@]}"; do
  case $arg in
    --builddir=* | --add-module=* | --add-dynamic-module=*) ;;
    *) kept+=("$arg") ;;
  esac
done

kept+=("--with-cc-opt=${CC_OPT:--g -O2 -fPIC -fstack-protector-strong \
-Wformat -Werror=format-security -D_FORTIFY_SOURCE=2 \
-ffile-prefix-map=$root=.}")
kept+=("--with-ld-opt=${LD_OPT:--Wl,-z,relro -Wl,-z,now}")
kept+=("--with-cc=${CC:-cc}")

# configure writes a Makefile where it runs: let that be a tree of links, and
# leave the sources untouched (they may be root's, or another's).
tree=$build/nginx
stamp=$build/objs/.configured
wanted=$(printf '%s\n' "$src" "${kept[@]}" "${UPSTREAM_502_LONG_WAY:-}" \
  "${UPSTREAM_502_WERROR:-}"
  cat "$root/config" "$root/config.make"
  find "$root/include" "$root/src" -name '*.h' | sort
  cksum "$src/src/core/nginx.h" "$src"/objs/ngx_auto_config.h 2>/dev/null || :)

if [ ! -f "$stamp" ] || [ "$wanted" != "$(cat "$stamp")" ]; then
  rm -rf "$tree" "$build/objs"
  mkdir -p "$tree" "$build/objs"
  ln -s "$src"/* "$tree/"
  rm -f "$tree/Makefile" "$tree/objs"
  configure=auto/configure
  [ -f "$src/$configure" ] || configure=configure
  if ! (cd "$tree" && sh "$configure" "${kept[@]}" \
    "--builddir=$build/objs" "--add-dynamic-module=$root") \
    >"$build/configure.log" 2>&1; then
    tail -20 "$build/configure.log" >&2
    exit 1
  fi
  printf '%s\n' "$wanted" >"$stamp"
fi

quiet=-s
[ -z "${V:-}" ] || quiet=
make $quiet --no-print-directory -j "${JOBS:-$(nproc)}" -C "$tree" \
  -f "$build/objs/Makefile" modules

module=ngx_http_upstream_502_module.so
if ! cmp -s "$build/objs/$module" "$build/$module"; then
  # A new file, not new bytes in one that a running nginx has mapped.
  cp "$build/objs/$module" "$build/.$module.new"
  mv "$build/.$module.new" "$build/$module"
fi
