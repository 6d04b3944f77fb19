# shellcheck shell=bash
# The test suites and their totals, lint, sanitizers, benchmark, fuzzing. Sourced by ./run.

all_suites=(unit sql lib client recipes conformance module faults cluster builds demo browser bench fuzz model)
total_passed=0
total_failed=0
total_skipped=0
failed_suites=()

# cmd_test [SUITE…]: runs these suites, or all. The last line is the total, in a fixed form for programs.
cmd_test() {
  local suite suites=("$@")
  ((${#suites[@]})) || suites=("${all_suites[@]}")
  for suite in "${suites[@]}"; do
    [[ " ${all_suites[*]} " == *" $suite "* ]] || die "Unknown suite '$suite'." "Suites: ${all_suites[*]}"
  done
  need_packages test
  [[ " ${suites[*]} " != *" recipes "* ]] || need_packages recipe
  [[ " ${suites[*]} " != *" cluster "* ]] || need_packages cluster
  need_npm
  build_release
  run_suites "${suites[@]}"
}

# ./run builds [--all [SUITE…]]: runs the suite; with --all also in bare roots of Debian releases (.run/roots), or of
# these.
cmd_builds() {
  case ${1-} in '' | --all) ;; *) die "Usage: ./run builds [--all [SUITE…]]" ;; esac
  cmd_test builds
  [[ ${1-} != --all ]] || bash tests/builds/roots.sh "$run_dir/roots" "${@:2}"
}

# Runs two suites at a time: those that use servers most in one lane, the rest in the other, so divided that both lanes
# take the same time. Prints the output of each when it has ended. A single suite prints its output as it comes.
run_suites() {
  local suite lane here=() served=() rest=()
  mkdir -p -- "$run_dir/log"
  rm -f -- "$run_dir"/log/suite-*.result
  for suite in "$@"; do
    [[ -d tests/$suite ]] || continue
    here+=("$suite")
    case $suite in module | faults | sql | fuzz) served+=("$suite") ;; *) rest+=("$suite") ;; esac
  done
  if ((${#served[@]} == 0 || ${#rest[@]} == 0)); then
    for suite in "${here[@]}"; do run_suite "$suite"; done
  else
    run_lane "${served[@]}" &
    lane=$!
    run_lane "${rest[@]}"
    wait "$lane" || true # the results contain the failures
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

# Adds a suite's result to the totals. A suite without a result was aborted and counts as failed.
add_result() {
  local passed=0 failed=1 skipped=0 verdict=failed
  [[ ! -e $run_dir/log/suite-$1.result ]] || read -r passed failed skipped verdict <"$run_dir/log/suite-$1.result"
  total_passed=$((total_passed + passed))
  total_failed=$((total_failed + failed))
  total_skipped=$((total_skipped + skipped))
  [[ $verdict == passed ]] || failed_suites+=("$1")
}

# After all suites, prints each failed test with the first lines of its error: CI may keep only the end of a log.
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

# In TAP a failed test has `not ok`; `error:` follows in its YAML block, on one line or as an indented text before
# `code:`.
failures_in_tap() {
  awk '/^ *not ok / && !/# (SKIP|TODO)/ { print; lines = 0 }
    /^ *error:/ { lines = 8; inside = 1 }
    /^ *(code|stack|name|expected):/ { lines = 0; inside = 0 }
    lines > 0 || (inside && /[Ee]rror: | Error /) { print; lines-- }' "$1"
}

print_total() {
  say "${1:+$1: }$2 passed, $3 failed$( (($4 == 0)) || printf ', %s skipped' "$4")"
}

# Runs one suite; prints and stores its output, and writes its result to a file. A suite fails if a test failed, if the
# runner failed, or if no test ran.
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
  # A crashed program has not printed its failures.
  ((status == 0 || failed > 0)) || failed=1
  ((passed + failed > 0)) || say "$suite: no test ran"
  ((status == 0 && failed == 0 && passed > 0)) || verdict=failed
  say "-- $(print_total "$suite" "$passed" "$failed" "$skipped") ($((SECONDS - from)) s)"
  echo "$passed $failed $skipped $verdict" >"$run_dir/log/suite-$suite.result"
}

# Lowers the priority of suites that only compute, so that suites with servers and timeouts run first.
give_way() { renice -n 10 "$BASHPID" >/dev/null; }

suite_kind() {
  case $1 in
    unit) echo unit ;;
    sql | fuzz | model) echo plain ;;
    *) echo node ;;
  esac
}

run_unit() { ctest --test-dir "$build_dir" --output-on-failure --no-tests=error -V; }

# Builds the benchmark's load generator, which is tested as well: measurements depend on it.
build_bench() {
  cmake -S tests/bench -B build/bench -DCMAKE_BUILD_TYPE=Release && cmake --build build/bench -j "$(nproc)"
}

# Builds core and the fuzz targets with clang and sanitizers.
build_fuzz() {
  step "configure (fuzzing)" cmake-fuzz cmake -S tests/fuzz -B build/fuzz -DCMAKE_CXX_COMPILER=clang++
  step "fuzz targets" compile-fuzz cmake --build build/fuzz -j "$(nproc)"
}

# run_fuzz SECONDS [TARGET…]: inputs that it finds stay in .run/fuzz.
run_fuzz() { bash tests/fuzz/run.sh build/fuzz "$run_dir/fuzz" "$@"; }

# ./run trial [FILE…]: runs the fault scenarios (all, or those of these files) with 1,000 clients and 200 events a
# second, each three times as often, and writes the results into a table.
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

# Runs the test files of a suite: two at a time, because most tests wait; but one at a time if they measure time, or
# disturb what they check.
run_node() {
  local at_once=1
  case $1 in client | conformance | module | faults | browser | demo | builds) at_once=2 ;; esac
  node --test --test-concurrency="$at_once" --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$run_dir/log/suite-$1.tap" tests/"$1"/*.test.mjs
}

# count_*: print passed, failed and skipped tests, from a suite's output.
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

# Runs every check of tests/lint, even if others fail. The second line of a check's file is its name.
cmd_lint() {
  local check name passed=0 problems=()
  need_packages lint
  need_npm
  build_release
  say '' "== lint"
  for check in tests/lint/*.sh; do
    name=$(sed -n '2s/^# \(.*\)\.$/\1/p' "$check")
    if (step "$name" "lint-$(basename -- "$check" .sh)" bash "$check" "$build_dir"); then
      passed=$((passed + 1))
    else
      problems+=("$check")
    fi
  done
  ((${#problems[@]} == 0)) || say '' "failed: ${problems[*]}"
  print_total lint "$passed" "${#problems[@]}" 0
  ((${#problems[@]} == 0))
}

# Runs the suites that use module and fallback on a build with AddressSanitizer and UBSan. The suite memcheck uses the
# normal build.
cmd_asan() {
  local suite suites=("$@")
  ((${#suites[@]})) || suites=(unit lib conformance module faults memcheck)
  for suite in "${suites[@]}"; do
    [[ -d tests/$suite ]] || die "Unknown suite '$suite'." "Suites: ${all_suites[*]} memcheck"
  done
  need_packages asan
  need_npm
  [[ " ${suites[*]} " != *" memcheck "* ]] || build_release
  build_sanitized
  run_suites "${suites[@]}"
}

# Builds with the sanitizers and makes this build the tested one. nginx is compiled from source, so that its pools are
# checked too and reports of leaks have symbols. tests/lsan.supp lists memory that nginx itself never frees.
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

# detect_odr_violation=0: nginx compiles the same global names into each dynamic module. intercept_tls_get_addr=0: the
# runtime of gcc 12 takes the bytes before a block of thread-local storage for the block's header; sometimes it would
# search for leaks at an invalid address, and abort.
sanitizer_options() {
  export ASAN_OPTIONS=detect_leaks=1:detect_odr_violation=0:intercept_tls_get_addr=0
  ASAN_OPTIONS+=:detect_stack_use_after_return=1:strict_string_checks=1
  export LSAN_OPTIONS="suppressions='$repo/tests/lsan.supp':print_suppressions=0"
  export UBSAN_OPTIONS=print_stacktrace=1
}

# ./run upgrade: builds the programs of the release before (tests/upgrade) and upgrades from them, and back, under load.
cmd_upgrade() {
  local before=$run_dir/release-before
  need_packages test
  need_npm
  build_release
  mkdir -p -- "$before"
  tar -xJf tests/upgrade/release-before.tar.xz -C "$before"
  step "fallback of the release before" before-fallback cmake_before "$before"
  step "module of the release before" before-module bash "$before/ngx_module/build.sh" "$before/out"
  PGEVENTS_RELEASE_BEFORE=$before node --test --test-reporter=spec tests/faults/upgrade.test.mjs
}

cmake_before() {
  cmake -S "$1" -B "$1/out" -DPGEVENTS_TESTS=OFF && cmake --build "$1/out" -j "$(nproc)" --target pgevents-fcgi
}

cmd_bench() {
  need_packages bench
  need_npm
  build_release
  case ${1-} in
    presence | typing) node tests/bench/presence.mjs "$@" ;;
    copies | crowd | curves | database | forms) node "tests/bench/$1.mjs" "${@:2}" ;;
    *) node tests/bench/bench.mjs "$@" ;;
  esac
}

# ./run clients [NAME…]: takes event-stream clients of other projects (those whose names contain one of these) through
# every kind of reconnection. The table goes to .run/clients.md. Node has an EventSource since version 22.
cmd_clients() {
  need_packages test
  need_npm
  need_npm tests/clients
  (($(node_major) >= 22)) || fetch_node
  build_release
  node tests/clients/run.mjs "$@" | tee -- "$run_dir/clients.md"
}

# ./run environments: runs the client in every environment that a machine can have; the suite browser has Chromium and
# one Node.js.
cmd_environments() {
  local nodes
  need_packages environments
  need_npm
  nodes=$(command -v node)
  (($(node_major) >= 22)) || fetch_node
  PGEVENTS_ENVIRONMENTS=all PGEVENTS_NODES=$nodes node --test --test-reporter=spec tests/browser/environments.test.mjs
}

# ./run web-sockets [NAME…]: takes WebSocket clients of other projects through the checks of
# tests/lib/web_socket_checks.mjs, directly and behind proxies. The table goes to .run/web-sockets.md. Node has a
# WebSocket since version 22.
cmd_web_sockets() {
  need_packages web-sockets
  need_npm
  (($(node_major) >= 22)) || fetch_node
  build_release
  node tests/clients/web_sockets.mjs "$@" | tee -- "$run_dir/web-sockets.md"
}

# ./run recipes: runs every program of docs/recipes.md; the suite runs one of them.
cmd_recipes() {
  need_packages recipes
  need_npm
  need_npm tests/recipes
  PGEVENTS_RECIPES=all node --test --test-reporter=spec tests/recipes/recipes.test.mjs
}

# ./run soak [asan|valgrind] [SECONDS]: puts its table, samples and page into .run/soak.
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

# ./run stress [MINUTES [WRITERS]]: half of them without nginx.
cmd_stress() {
  local minutes=${1:-30} writers=${2:-20}
  [[ "$minutes $writers" =~ ^[1-9][0-9]*\ [1-9][0-9]*$ ]] || die "Usage: ./run stress [MINUTES [WRITERS]]"
  need_packages test
  need_npm
  build_release
  PGEVENTS_STRESS_SECONDS=$((minutes * 30)) PGEVENTS_STRESS_WRITERS=$writers \
    node --test --test-reporter=spec tests/faults/stress.test.mjs
}

# Runs the normal build under memcheck; each process writes a file of its own. Only memory without a pointer to it is
# reported as a leak, because a process keeps its pools to its end.
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
  export PGEVENTS_NGINX=$dir/nginx PGEVENTS_FCGI=$dir/pgevents-fcgi
  export PGEVENTS_MODULE=$build_dir/ngx_http_pgevents_module.so
}

# ./run fuzz [SECONDS] [TARGET…]: runs all targets, or these, for SECONDS in total (300).
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
