#!/usr/bin/env bash
# Checks the models: tests/model/run.sh STATE-DIR [MODEL…] Each model (all without a name) must hold, searched to its
# end, and must be refuted with each fault that can be planted in it: whatever macro it asks for and does not define
# itself. A counterexample stays in STATE-DIR/…/*.trail, beside the checker that found it; `./pan -r -v` there, or `spin
# -t -p -g` with the same -D, shows it step by step.
set -euo pipefail
shopt -s nullglob

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
state=$1
shift
models=("$@")
at_once=$(nproc)
passed=0
failed=0
running=0
trap 'jobs -p | xargs -r kill 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

# What may happen is too much for one search where it multiplies: name and bounds, the cheapest first.
scenarios_of() {
  case $1 in
    lease)
      echo "left -DRESTORES=0 -DKILLS=0"
      echo "restored -DKILLS=0 -DLEAVES=0"
      echo "killed -DRESTORES=0 -DLEAVES=0"
      ;;
    publishing)
      echo "passed -DOTHERS=1 -DPASSES=3"
      echo "turns -DOTHERS=1 -DSECOND=1"
      echo "killed -DOTHERS=1 -DKILLS=1"
      echo "restored -DOTHERS=1 -DRESTORED=1 -DPUBLISHERS=3"
      echo "crashed -DOTHERS=1 -DCRASHES=1"
      echo "frozen -DBIG=0 -DLISTENERS=2 -DFREEZES=1"
      echo "three -DBIG=0 -DPUBLISHERS=3"
      echo "gone -DBIG=0 -DLISTENERS=2 -DKILLS=1 -DGONE=1"
      ;;
    *) echo "-" ;;
  esac
}

# The scenario in which it is looked for cycles, too: nothing may go round without an end.
cycles_of() {
  case $1 in lease) echo left ;; esac
}

faults_of() {
  local tested defined
  tested=$(cat "$here/$1".{,*.}pml | grep -E '^#(if|ifdef|ifndef|elif)' | grep -Eo '\b[A-Z][A-Z_]+\b' | sort -u)
  defined=$(cat "$here/$1".{,*.}pml | sed -n 's/^#define \([A-Z_]*\).*/\1/p' | sort -u)
  comm -23 <(echo "$tested") <(echo "$defined")
}

# search DIR MODEL safety|cycles GCC-OPTIONS [-D…]: what the checker says is in DIR/log.
search() {
  local dir=$1 model=$2 what=$3 how=(-DSAFETY) run=() options
  read -r -a options <<<"$4"
  shift 4
  [[ $what != cycles ]] || how=(-DNP) run=(-l)
  rm -rf -- "$dir"
  mkdir -p -- "$dir"
  (
    cd -- "$dir"
    spin -a "$@" "$here/$model.pml"
    gcc "${options[@]}" -w "${how[@]}" -DNOFAIR -DVECTORSZ=2048 -DMEMLIM=4096 -o pan pan.c
    ./pan "${run[@]}" -m20000 -w22
  ) </dev/null >"$dir/log" 2>&1 || true
}

states_in() { sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$1"; }

# must_hold NAME DIR MODEL safety|cycles [-D…]: nothing is found, and nothing left out.
must_hold() {
  local name=$1 dir=$2 from=$SECONDS
  search "$dir" "$3" "$4" -O1 "${@:5}"
  if grep -q 'errors: 0' "$dir/log" && ! grep -qiE 'too small|not completed|out of memory|memlim' "$dir/log"; then
    printf 'ok   %-36s %10s states, %3s s\n' "$name" "$(states_in "$dir/log")" "$((SECONDS - from))"
  else
    printf 'FAIL %-36s does not hold, or was not searched to its end; log: %s\n' "$name" "$dir/log"
    grep -E '^pan|error|rror:' "$dir/log" || tail -n 20 "$dir/log"
    return 1
  fi
}

# must_be_refuted MODEL FAULT: in one of the scenarios, by an assertion of the model (or by a cycle), not by an accident
# of it. With the processes the other way round, the way to it is shorter.
must_be_refuted() {
  local model=$1 fault=$2 dir=$state/$1.$2 wanted='assertion violated' what=safety scenario bounds
  [[ $fault != *_CYCLE ]] || wanted='non-progress cycle' what=cycles
  while read -r scenario bounds; do
    # shellcheck disable=SC2086 # several words
    search "$dir" "$model" "$what" "-O0 -DREVERSE" $bounds "-D$fault"
    if grep -q "$wanted" "$dir/log" && ! grep -q 'invalid array index' "$dir/log"; then
      printf 'ok   %-36s refuted after %10s states\n' "$model with $fault" "$(states_in "$dir/log")"
      return
    fi
  done < <(scenarios_of "$model")
  printf 'FAIL %-36s not refuted; log: %s\n' "$model with $fault" "$dir/log"
  return 1
}

# One on each processor; each prints when it has ended, as a whole.
start() {
  if ((running == at_once)); then end_one; fi
  (
    status=0
    shown=$("$@") || status=1
    printf '%s\n' "$shown"
    exit "$status"
  ) &
  running=$((running + 1))
}

end_one() {
  if wait -n; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  running=$((running - 1))
}

check() {
  local model=$1 scenario bounds name fault
  while read -r scenario bounds; do
    name=$model
    [[ $scenario == - ]] || name="$model, $scenario"
    # shellcheck disable=SC2086 # several words
    start must_hold "$name" "$state/$model.$scenario" "$model" safety $bounds
    # shellcheck disable=SC2086
    [[ $scenario != "$(cycles_of "$model")" ]] || start must_hold "$name: no cycle" "$state/$model.cycles" "$model" cycles $bounds
  done < <(scenarios_of "$model")
  for fault in $(faults_of "$model"); do start must_be_refuted "$model" "$fault"; done
}

all_models() {
  local source
  for source in "$here"/*.pml; do basename -- "$source" .pml; done | grep -vF .
}

((${#models[@]})) || mapfile -t models < <(all_models)
for model in "${models[@]}"; do
  [[ -e $here/$model.pml ]] && continue
  echo "model '$model' not found; models: $(all_models | xargs)" >&2
  exit 1
done
mkdir -p -- "$state"
for model in "${models[@]}"; do check "$model"; done
while ((running > 0)); do end_one; done
echo "$passed passed, $failed failed"
((failed == 0))
