# shellcheck shell=bash
# The test suites and their totals, lint, sanitizers, benchmark, fuzzing. Sourced by ./run.

all_suites=(unit sql lib client conformance module faults builds demo browser bench fuzz model)
total_passed=0
total_failed=0
total_skipped=0
failed_suites=()

# Runs the suites named (all without a name); the last line is the sum of all, in words that a machine can read as well.
cmd_test() {
  local suite suites=("$@")
  ((${#suites[@]})) || suites=("${all_suites[@]}")
  for suite in "${suites[@]}"; do
    [[ " ${all_suites[*]} " == *" $suite "* ]] || die "There is no suite '$suite'. Suites: ${all_suites[*]}"
  done
  need_packages test
  need_npm
  build_release
  run_suites "${suites[@]}"
}

# ./run builds [--all]: the suite, and the same by hand in roots of other releases of Debian (.run/roots).
cmd_builds() {
  case ${1-} in '' | --all) ;; *) die "Usage: ./run builds [--all]" ;; esac
  cmd_test builds
  [[ ${1-} != --all ]] || bash tests/builds/roots.sh "$run_dir/roots"
}

# Two suites at a time, each with its output when it has ended: what needs servers most in one lane, the rest in the other. Alone a
# suite shows its output as it comes.
run_suites() {
  local suite lane here=() served=() rest=()
  mkdir -p -- "$run_dir/log"
  rm -f -- "$run_dir"/log/suite-*.result
  for suite in "$@"; do
    [[ -d tests/$suite ]] || continue
    here+=("$suite")
    case $suite in conformance | module | faults | sql) served+=("$suite") ;; *) rest+=("$suite") ;; esac
  done
  if ((${#served[@]} == 0 || ${#rest[@]} == 0)); then
    for suite in "${here[@]}"; do run_suite "$suite"; done
  else
    run_lane "${served[@]}" &
    lane=$!
    run_lane "${rest[@]}"
    wait "$lane" || true # what failed stands in the results
  fi
  for suite in "${here[@]}"; do add_result "$suite"; done
  show_failures
  say ''
  ((${#failed_suites[@]} == 0)) || say "failed: ${failed_suites[*]}"
  print_total '' "$total_passed" "$total_failed" "$total_skipped"
  ((${#failed_suites[@]} == 0 && total_failed == 0 && total_passed > 0))
}

run_lane() {
  local suite
  for suite in "$@"; do
    run_suite "$suite" >"$run_dir/log/suite-$suite.shown" 2>&1 || true
    flock "$run_dir/log" cat -- "$run_dir/log/suite-$suite.shown"
  done
}

# A suite without a result has not come to its end.
add_result() {
  local passed=0 failed=1 skipped=0 verdict=failed
  [[ ! -e $run_dir/log/suite-$1.result ]] || read -r passed failed skipped verdict <"$run_dir/log/suite-$1.result"
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  total_skipped=$((total_skipped + skipped))
  [[ $verdict == passed ]] || failed_suites+=("$1")
}

# Each failed test with the first lines of its error, after all suites: a log of which only the end is kept still says what failed.
show_failures() {
  local suite
  for suite in "${failed_suites[@]}"; do
    say '' "== failed in $suite"
    case $(suite_kind "$suite") in
      node) failures_in_tap "$run_dir/log/suite-$suite.tap" ;;
      *) grep -E -A 5 '^FAIL |^[^ ]+:[0-9]+:[FE]:' "$run_dir/log/suite-$suite.log" ;;
    esac | head -n 60 || true
  done | tee "$run_dir/log/failures"
}

# In TAP a failed test is `not ok`; `error:` follows in its YAML block, on one line or as an indented text before `code:`.
failures_in_tap() {
  awk '/^ *not ok / && !/# (SKIP|TODO)/ { print; lines = 0 }
    /^ *error:/ { lines = 8 }
    /^ *(code|stack|name|expected):/ { lines = 0 }
    lines > 0 { print; lines-- }' "$1"
}

print_total() {
  say "${1:+$1: }$2 passed, $3 failed$( (($4 == 0)) || printf ', %s skipped' "$4")"
}

# One suite with its output shown and kept, and its result in a file. It fails when a test failed, when the runner failed, and when
# no test ran.
run_suite() {
  local suite=$1 log=$run_dir/log/suite-$1.log status=0 passed failed skipped verdict=passed from=$SECONDS
  say '' "== $suite"
  case $suite in
    unit) run_unit ;;
    sql) bash tests/sql/run.sh ;;
    bench) build_bench >"$run_dir/log/build-bench.log" && run_node bench ;;
    fuzz) give_way && build_fuzz && run_fuzz 60 ;;
    model) give_way && bash tests/model/run.sh "$run_dir/model" ;;
    builds) give_way && run_node builds ;;
    *) run_node "$suite" ;;
  esac 2>&1 9>&- | tee -- "$log" || status=1
  read -r passed failed skipped < <(count_"$(suite_kind "$suite")" "$log")
  # A program that crashed has counted nothing.
  ((status == 0 || failed > 0)) || failed=1
  ((passed + failed > 0)) || say "$suite: no test was run"
  ((status == 0 && failed == 0 && passed > 0)) || verdict=failed
  say "-- $(print_total "$suite" "$passed" "$failed" "$skipped") ($((SECONDS - from)) s)"
  echo "$passed $failed $skipped $verdict" >"$run_dir/log/suite-$suite.result"
}

# What only computes lets those go first who answer somebody.
give_way() { renice -n 10 "$BASHPID" >/dev/null; }

suite_kind() {
  case $1 in
    unit) echo unit ;;
    sql | fuzz | model) echo plain ;;
    *) echo node ;;
  esac
}

run_unit() { ctest --test-dir "$build_dir" --output-on-failure --no-tests=error -V; }

# The benchmark's load generator is tested as well: a measurement is worth what its instrument is.
build_bench() {
  cmake -S tests/bench -B build/bench -DCMAKE_BUILD_TYPE=Release && cmake --build build/bench -j "$(nproc)"
}

# Core and fuzz targets, by clang and with sanitizers.
build_fuzz() {
  step "configure (fuzzing)" cmake-fuzz cmake -S tests/fuzz -B build/fuzz -DCMAKE_CXX_COMPILER=clang++
  step "fuzz targets" compile-fuzz cmake --build build/fuzz -j "$(nproc)"
}

# run_fuzz SECONDS [TARGET…]: what is found stays in .run/fuzz.
run_fuzz() { bash tests/fuzz/run.sh build/fuzz "$run_dir/fuzz" "$@"; }

# The fault scenarios (all, or of the files named) under 1,000 clients and 200 events a second, each struck three times as often;
# what came of it becomes a table.
cmd_trial() {
  local names=("$@") files=() status=0 records=$run_dir/trial.jsonl
  ((${#names[@]})) || names=(processes database database_trouble network storage moved misbehaviour)
  files=("${names[@]/#/tests/faults/}")
  need_packages test
  need_npm
  build_release
  rm -f -- "$records"
  PGEVENTS_TRIAL=$records node --test --test-concurrency=1 --test-reporter=spec "${files[@]/%/.test.mjs}" || status=1
  node tests/faults/trial-report.mjs "$records" "$run_dir/trial.md"
  say "The table: $run_dir/trial.md"
  return "$status"
}

# Suites that measure time or start many servers get the machine for themselves.
run_node() {
  local at_once=1
  case $1 in client | conformance | module | faults | browser) at_once=2 ;; esac
  node --test --test-concurrency="$at_once" --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$run_dir/log/suite-$1.tap" tests/"$1"/*.test.mjs
}

# count_*: passed, failed and skipped, from a suite's output.
sum_of() { sed -n "s/$2/\\1/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'; }

# Check's own totals, one line per program: "100%: Checks: 12, Failures: 0, Errors: 0".
count_unit() {
  local all bad='.*%: Checks: [0-9]*, Failures: \([0-9]*\), Errors: .*'
  all=$(sum_of "$1" '.*%: Checks: \([0-9]*\), Failures.*')
  bad=$(($(sum_of "$1" "$bad") + $(sum_of "$1" '.*%: Checks: [0-9]*, Failures: [0-9]*, Errors: \([0-9]*\).*')))
  echo "$((all - bad)) $bad 0"
}

# The runner's closing lines in TAP: "# pass 12".
count_node() {
  local tap=${1%.log}.tap
  echo "$(tap_count "$tap" pass) $(($(tap_count "$tap" fail) + $(tap_count "$tap" cancelled)))" \
    "$(($(tap_count "$tap" skipped) + $(tap_count "$tap" todo)))"
}

tap_count() { sed -n "s/^# $2 \([0-9]*\)\$/\1/p" "$1" | tail -n 1 | grep . || echo 0; }

# The last line of the form "N passed, M failed".
count_plain() {
  local line
  line=$(grep -Eo '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$1" | tail -n 1) || true
  read -r -a words <<<"${line:-0 passed, 0 failed}"
  echo "${words[0]} ${words[2]} ${words[4]:-0}"
}

# Every check of tests/lint runs, whatever the others found; the second line of its file is its name.
cmd_lint() {
  local check passed=0 problems=()
  need_packages lint
  need_npm
  build_release
  say '' "== lint"
  for check in tests/lint/*.sh; do
    if (step "$(sed -n '2s/^# \(.*\)\.$/\1/p' "$check")" "lint-$(basename -- "$check" .sh)" bash "$check" "$build_dir"); then
      passed=$((passed + 1))
    else
      problems+=("$check")
    fi
  done
  cat "$run_dir/log/lint-lengths.log"
  ((${#problems[@]} == 0)) || say '' "failed: ${problems[*]}"
  print_total lint "$passed" "${#problems[@]}" 0
  ((${#problems[@]} == 0))
}

# The suites that drive module and fallback, on a build with AddressSanitizer and UBSan. The suite memcheck runs the usual build.
cmd_asan() {
  local suite suites=("$@")
  ((${#suites[@]})) || suites=(unit lib conformance module faults memcheck)
  for suite in "${suites[@]}"; do
    [[ -d tests/$suite ]] || die "There is no suite '$suite'. Suites: ${all_suites[*]} memcheck"
  done
  need_packages asan
  need_npm
  [[ " ${suites[*]} " != *" memcheck "* ]] || build_release
  build_sanitized
  run_suites "${suites[@]}"
}

# Builds with the sanitizers, and makes that what is tested. nginx is built from its source, so that its pools are watched too and
# leaks have names; what nginx itself never frees stands in tests/lsan.supp.
build_sanitized() {
  local asan=$repo/build/asan
  step "configure (sanitizers)" cmake-asan cmake -S "$repo" -B "$asan" -DPGEVENTS_TESTS=ON -DPGEVENTS_SANITIZE=ON
  step "core, fallback, tests (sanitizers)" compile-asan cmake --build "$asan" -j "$(nproc)"
  step "nginx source" nginx-source bash tests/builds/nginx-source.sh
  step "nginx and module (sanitizers)" module-asan \
    ngx_module/build.sh "$asan" --asan --nginx-source "$(bash tests/builds/nginx-source.sh)"
  build_dir=$asan
  export PGEVENTS_NGINX=$repo/tests/asan-nginx.sh PGEVENTS_MODULE=$asan/ngx_http_pgevents_module.so
  export PGEVENTS_FCGI=$asan/pgevents-fcgi
  sanitizer_options
}

# nginx compiles the same global names into each dynamic module, which is no clash. And the runtime's record of thread-local
# storage (gcc 12) takes what stands before a block of it for the block's header: now and then it would search for leaks at an
# address that is none, and give up.
sanitizer_options() {
  export ASAN_OPTIONS=detect_leaks=1:detect_odr_violation=0:intercept_tls_get_addr=0
  ASAN_OPTIONS+=:detect_stack_use_after_return=1:strict_string_checks=1
  export LSAN_OPTIONS="suppressions='$repo/tests/lsan.supp':print_suppressions=0"
  export UBSAN_OPTIONS=print_stacktrace=1
}

cmd_bench() {
  need_packages bench
  need_npm
  build_release
  case ${1-} in
    presence | typing) node tests/bench/people.mjs "$@" ;;
    curves | database) node "tests/bench/$1.mjs" "${@:2}" ;;
    *) node tests/bench/bench.mjs "$@" ;;
  esac
}

# ./run clients [NAME…]: other people's event-stream clients (those whose names hold one of these) through every reconnection; the
# table goes to .run/clients.md. Node's own EventSource is there from 22 on.
cmd_clients() {
  need_packages test
  need_npm
  need_npm tests/clients
  (($(node_major) >= 22)) || fetch_node
  build_release
  node tests/clients/run.mjs "$@" | tee -- "$run_dir/clients.md"
}

# ./run soak [asan|valgrind] [SECONDS]: table, samples and page stay in .run/soak.
cmd_soak() {
  local variant=plain
  case ${1-} in
    asan | valgrind)
      variant=$1
      shift
      ;;
  esac
  if [[ $variant == plain ]]; then need_packages test; else need_packages asan; fi
  need_npm
  case $variant in
    asan) build_sanitized ;;
    valgrind) build_release && use_valgrind ;;
    *) build_release ;;
  esac
  PGEVENTS_RUN_DIR=$run_dir node tests/soak/soak.mjs "$variant" "$@"
}

# The usual build, under memcheck; each process writes a file of its own. Only what nothing points to any more is a leak: the pools
# that a process holds to its end are not.
use_valgrind() {
  local dir=$run_dir/soak/valgrind program options=(-q --trace-children=yes --leak-check=full --show-leak-kinds=definite
    --errors-for-leak-kinds=definite "--suppressions=$repo/tests/soak/valgrind.supp" --num-callers=25)
  rm -rf -- "$dir"
  mkdir -p -- "$dir"
  for program in /usr/sbin/nginx "$build_dir/pgevents-fcgi"; do
    # shellcheck disable=SC2016 # "$@" is for the script
    printf '#!/bin/sh\nexec valgrind %s --log-file=%q/%s.%%p.log %q "$@"\n' "$(printf '%q ' "${options[@]}")" "$dir" \
      "${program##*/}" "$program" >"$dir/${program##*/}"
    chmod +x -- "$dir/${program##*/}"
  done
  export PGEVENTS_NGINX=$dir/nginx PGEVENTS_FCGI=$dir/pgevents-fcgi PGEVENTS_MODULE=$build_dir/ngx_http_pgevents_module.so
}

# ./run fuzz [SECONDS] [TARGET…]: all targets together take SECONDS (300).
cmd_fuzz() {
  local seconds=300
  if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
  fi
  need_packages fuzz
  build_fuzz
  run_fuzz "$seconds" "$@"
}
