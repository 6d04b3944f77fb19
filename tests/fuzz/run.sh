#!/usr/bin/env bash
# Runs fuzz targets: tests/fuzz/run.sh BUILD-DIR STATE-DIR SECONDS [TARGET…] The targets (all by default) share the
# time, one on each processor. Each begins with its corpus in tests/fuzz/corpus and with the inputs that earlier runs
# found (STATE-DIR/TARGET/found); an input that fails is kept as STATE-DIR/TARGET/crash-….
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
build=$1
state=$2
seconds=$3
shift 3
targets=("$@")
at_once=$(nproc)
pids=()

# An input that takes 30 s counts as an endless loop.
options=(-timeout=30 -rss_limit_mb=3072 -print_final_stats=1)
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
trap '((${#pids[@]} == 0)) || kill "${pids[@]}" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

all_targets() {
  local source name
  for source in "$here"/*_fuzz.cpp; do
    name=${source##*/}
    printf '%s\n' "${name%_fuzz.cpp}"
  done
}

check_targets() {
  local target
  for target in "${targets[@]}"; do
    [[ -e $here/${target}_fuzz.cpp ]] && continue
    echo "There is no fuzz target '$target'. Targets: $(all_targets | xargs)" >&2
    exit 1
  done
}

# Does not return: the process becomes the target.
start() {
  local target=$1 kept=$state/$1 dictionary=()
  mkdir -p -- "$kept/found"
  [[ ! -e $here/$target.dict ]] || dictionary=("-dict=$here/$target.dict")
  exec "$build/$target" "${options[@]}" "${dictionary[@]}" -max_total_time="$each" -artifact_prefix="$kept/" \
    "$kept/found" "$here/corpus/$target" >"$state/$target.log" 2>&1
}

# Prints the result of a finished target in one line; for one that failed also its input and the reason.
report() {
  local target=$1 status=$2 log=$state/$1.log runs rate coverage
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
  if ((status == 0)) && ((${runs:-0} > 0)); then
    passed=$((passed + 1))
    printf 'ok   %-12s %10s inputs, %7s/s, %5s edges\n' "$target" "$runs" "$rate" "$coverage"
  else
    failed=$((failed + 1))
    printf 'FAIL %-12s status %s; input: %s; log: %s\n' "$target" "$status" \
      "$(sed -n 's/^artifact_prefix.*Test unit written to //p' "$log" | tail -n 1 | grep . || echo none)" "$log"
    grep -aE -A 12 'DOES NOT HOLD|ERROR: |runtime error' "$log" | head -n 40 || tail -n 20 "$log"
  fi
}

((${#targets[@]})) || mapfile -t targets < <(all_targets)
check_targets
rounds=$(((${#targets[@]} + at_once - 1) / at_once))
each=$((seconds / rounds > 0 ? seconds / rounds : 1))
mkdir -p -- "$state"
echo "${#targets[@]} targets, $at_once at a time, $each s each"

passed=0
failed=0
declare -A target_of=()
next=0
while ((next < ${#targets[@]} || ${#pids[@]} > 0)); do
  while ((next < ${#targets[@]} && ${#pids[@]} < at_once)); do
    start "${targets[next]}" &
    target_of[$!]=${targets[next]}
    pids+=("$!")
    next=$((next + 1))
  done
  status=0
  wait -n -p ended "${pids[@]}" || status=$?
  report "${target_of[$ended]}" "$status"
  remaining=()
  for pid in "${pids[@]}"; do ((pid == ended)) || remaining+=("$pid"); done
  pids=("${remaining[@]}")
done
echo "$passed passed, $failed failed"
((failed == 0))
