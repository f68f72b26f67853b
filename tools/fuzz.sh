#!/bin/bash
# Builds the fuzzers and runs them, one per processor: fuzz.sh FOLDER [NAME...]
#
#   SECONDS_EACH  how long each runs (default 60)
#   SEED          of what it makes up (default: another one each time). With one,
#                 and no corpus of its own yet, inputs come in the same order.
#
# Seeds are in t/fuzz/corpus/NAME. What a fuzzer finds on its way is kept in
# FOLDER/corpus/NAME for the next time, what breaks something in
# FOLDER/found/NAME-*: FOLDER/fuzz_NAME FILE plays it again.

set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1
shift
seconds=${SECONDS_EACH:-60}
jobs=${JOBS:-$(nproc)}

cmake -S "$root/cmake" -B "$folder" -DFUZZ=ON -DCMAKE_CXX_COMPILER=clang++ \
  >/dev/null

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for path in "$root"/t/fuzz/*.cc; do
    names+=("$(basename "$path" .cc)")
  done
fi
cmake --build "$folder" -j "$jobs" --target "${names[@]/#/fuzz_}"

fuzz() {
  local name=$1 seeds=$root/t/fuzz/corpus/$1
  mkdir -p "$folder/corpus/$name" "$folder/found"
  if ! "$folder/fuzz_$name" -max_total_time="$seconds" -timeout=20 \
    -seed="${SEED:-0}" -rss_limit_mb=2048 -max_len=4096 -use_value_profile=1 -verbosity=1 \
    -print_final_stats=1 -artifact_prefix="$folder/found/$name-" \
    "$folder/corpus/$name" "$seeds" >"$folder/$name.log" 2>&1; then
    grep -vE '^#|^(INFO|NEW_FUNC)' "$folder/$name.log" | tail -60
    echo "fuzz: $name: see $folder/found/$name-*"
    return 1
  fi
  echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' \
    "$folder/$name.log") inputs, none breaks anything"
}

failed=0
running=0
for name in "${names[@]}"; do
  if [ $running -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  fuzz "$name" &
  running=$((running + 1))
done
for ((; running > 0; --running)); do
  wait -n || failed=1
done
exit $failed
