#!/bin/bash
# Builds the module with nginx's own build, into $BUILD (default build).
#
#   NGINX_SRC   nginx source tree (default: that of Debian's nginx-dev)
#   NGINX_ARGS  arguments of configure; default: those the tree itself was
#               made with, so that signature and structures fit its binary
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

# The folder that a recorded path means, which may be relative to the tree.
folder() {
  if ! (cd "$src" && cd "$1" 2>/dev/null && pwd); then
    echo "this nginx was configured with $1, which is not there" >&2
    exit 1
  fi
}

# Of recorded options those that say what is compiled and where it is found.
# The rest is ours to choose.
meanings() {
  local words i
  read -r -a words <<<"$1"
  for ((i = 0; i < ${#words[@]}; ++i)); do
    case ${words[i]} in
      -D_FORTIFY_SOURCE* | -U_FORTIFY_SOURCE) ;;
      -D | -U | -I | -L | -isystem | -include)
        printf '%s ' "${words[@]:i++:2}"
        ;;
      -D* | -U* | -I* | -L*) printf '%s ' "${words[i]}" ;;
    esac
  done
}

# Add-ons stay: the `config` of one may define what headers ask for, and nginx's
# structures are others then. Libraries of which the tree brings the sources
# stay, too. Another build folder is none of ours.
kept=()
addons=()
cc_opt=
ld_opt=
for arg in "${args[@]}"; do
  name=${arg%%=*}
  value=${arg#*=}
  case $arg in
    --builddir=* | --with-cc=*) ;;
    --with-cc-opt=*) cc_opt=$(meanings "$value") ;;
    --with-ld-opt=*) ld_opt=$(meanings "$value") ;;
    --add-module=* | --add-dynamic-module=*)
      value=$(folder "$value")
      # This module itself, from wherever it is, is added below.
      if ! grep -qs '^ngx_addon_name=ngx_http_upstream_502_module$' \
        "$value/config"; then
        kept+=("$name=$value")
        addons+=("$value/config")
      fi
      ;;
    --with-openssl=* | --with-pcre=* | --with-zlib=* | --with-libatomic=*)
      value=$(folder "$value")
      kept+=("$name=$value")
      ;;
    *) kept+=("$arg") ;;
  esac
done

kept+=("--with-cc-opt=$cc_opt${CC_OPT:--g -O2 -fPIC -fstack-protector-strong \
-Wformat -Werror=format-security -D_FORTIFY_SOURCE=2 \
-ffile-prefix-map=$root=.}")
kept+=("--with-ld-opt=$ld_opt${LD_OPT:--Wl,-z,relro -Wl,-z,now}")
kept+=("--with-cc=${CC:-cc}")

# configure writes a Makefile where it runs: let that be a tree of links, and
# leave the sources untouched (they may be root's, or another's).
tree=$build/nginx
own=$src/objs/ngx_auto_config.h
stamp=$build/objs/.configured
wanted=$(printf '%s\n' "$src" "${kept[@]}" "${UPSTREAM_502_LONG_WAY:-}" \
  "${UPSTREAM_502_WERROR:-}"
  cat "$root/config" "$root/config.make" "$root/src/nginx/failing.cc"
  find "$root/include" "$root/src" -name '*.h' | sort
  cksum "$src/src/core/nginx.h" "$own" "${addons[@]}" 2>/dev/null || :)

# What configure found, less what is mere text (paths, the compiler's name):
# headers cannot ask for that.
defines() {
  awk '$1 == "#define" && $3 !~ /^"/ { $1 = ""; print substr($0, 2) }' "$1" |
    sort -u
}

# Headers that see other macros than the tree's own binary did may lay nginx's
# structures out in another way: every request would crash.
compare_with_own() {
  local differing
  [ -f "$own" ] || return 0
  differing=$(diff <(defines "$own") \
    <(defines "$build/objs/ngx_auto_config.h") |
    sed -n 's/^< /  there: /p; s/^> /  here:  /p')
  if [ -n "$differing" ]; then
    echo "the nginx in $src was configured otherwise" \
      "than this module is now:" >&2
    echo "$differing" >&2
    exit 1
  fi
}

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
  compare_with_own
  printf '%s\n' "$wanted" >"$stamp"
fi

# This module only, and no library that the Makefile thinks is older than it.
module=ngx_http_upstream_502_module.so
quiet=-s
[ -z "${V:-}" ] || quiet=
make $quiet --no-print-directory -j "${JOBS:-$(nproc)}" -C "$tree" \
  -f "$build/objs/Makefile" -o "$build/objs/Makefile" "$build/objs/$module"

if ! cmp -s "$build/objs/$module" "$build/$module"; then
  # A new file, not new bytes in one that a running nginx has mapped.
  cp "$build/objs/$module" "$build/.$module.new"
  mv "$build/.$module.new" "$build/$module"
fi
