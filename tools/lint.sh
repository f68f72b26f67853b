#!/bin/bash
# What a review should not have to say: lint.sh BUILD_FOLDER, or lint.sh --fix
# to format in place.

set -eu

cd "$(dirname "$0")/.."
mapfile -t cxx < <(find include src t/unit t/fuzz bench -name '*.h' -o -name '*.cc' \
  2>/dev/null | sort)

if [ "${1:-}" = --fix ]; then
  clang-format -i "${cxx[@]}"
  exit 0
fi

build=$1
failed=0

fail() {
  echo "lint: $*" >&2
  failed=1
}

# check MESSAGE COMMAND...: the command finds what should not be there.
check() {
  local message=$1
  shift
  if "$@" >&2; then
    fail "$message"
  fi
}

# room FOLDER OTHERS: its files include none but their own headers and those.
room() {
  local name=$1 others=$2
  check "$name includes what it may not use (docs/architecture.md)" \
    grep -rnP "#include \"(?!(upstream_502/)?$name/|absl/|\w+\.h\"|upstream_502/($others))" \
    $(ls -d "include/upstream_502/$name" "src/core/$name" "src/$name" 2>/dev/null)
}

clang-format --dry-run -Werror "${cxx[@]}" || fail "run make format"
check "lines of more than 80 columns" env LC_ALL=C.UTF-8 grep -nE '^.{81,}$' "${cxx[@]}"
room words ' '
room verdict 'words/'
room store 'words/|verdict/evidence'
room advice 'words/|verdict/|store/'
room report 'words/|verdict/|store/|advice/'
room system 'words/|verdict/evidence'
check "core and system know nothing of nginx" \
  grep -rnE '\bngx_' include src/core src/system
check "absl::StrFormat ends the process where memory is out: AppendFormat" \
  grep -rnE 'absl::Str(Append)?Format\(' include src
check "do it or leave it" \
  grep -rnIE "\b(TO""DO|FIX""ME|X""XX|HA""CK)\b" --exclude-dir=build \
  --exclude-dir=.git .

mapfile -t sources < <(find src -name '*.cc' | sort)
for path in "${sources[@]}"; do
  grep -q "/$path\$" config || fail "$path is not in config"
  head -1 "$path" | grep -q '^// .' || fail "$path does not say what it is"
done
for path in "${cxx[@]}" $(find t demo bench tools -type f 2>/dev/null); do
  lines=$(wc -l <"$path")
  case $path in
    src/* | include/*) [ "$lines" -le 450 ] || fail "$path has $lines lines" ;;
    *) [ "$lines" -le 500 ] ||
      echo "lint: warning: $path has $lines lines" >&2 ;;
  esac
done

# clang cannot read what gcc has compiled of headers.
cmake -S cmake -B "$build/lint" -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
cmake --build "$build/lint" --target page >/dev/null
# Its deep mode takes twice as long.
analyzer=(--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang
  --extra-arg=mode=shallow)
echo "clang-tidy: core and system"
printf '%s\n' "${sources[@]}" | grep -v '^src/nginx/' |
  xargs -P "${JOBS:-$(nproc)}" -n 2 clang-tidy -quiet "${analyzer[@]}" -p "$build/lint" \
    2>/dev/null || fail "clang-tidy"

# The adapter is compiled by nginx's build, which leaves no database: the
# folders of its headers are known. One file is made of others. What nginx
# promises never to be NULL, the analyzer cannot know.
flags=(-std=c++20 -Iinclude -Isrc -isystem "$build/objs" -Wall -Wextra -Wpedantic
  -Wshadow -Wconversion -Wsign-conversion -DUPSTREAM_502_VERSION='"0"')
for path in core event event/modules os/unix http http/modules http/v2; do
  flags+=(-isystem "$build/nginx/src/$path")
done
echo "clang-tidy: the adapter"
printf '%s\n' src/nginx/*.cc | grep -v /failing.cc |
  xargs -P "${JOBS:-$(nproc)}" -I{} clang-tidy -quiet "${analyzer[@]}" \
    -checks=-clang-analyzer-core.NullDereference {} -- "${flags[@]}" \
    2>/dev/null || fail "clang-tidy"

exit $failed
