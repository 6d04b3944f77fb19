# shellcheck shell=bash disable=SC2154 # work, prefix, pattern and others: set by run.sh
# Functions for the SQL tests; sourced by run.sh.

sql() { psql -XAtq -v ON_ERROR_STOP=1 "$@"; }

# q DATABASE SQL…: the answer of a query
q() {
  local database=$1
  shift
  sql -d "$database" -c "$*"
}

# promptly DATABASE SQL…: the same, but fails if it has to wait for another transaction
promptly() { PGOPTIONS="-c lock_timeout=3s" q "$@"; }

install_schema() {
  local database=$1
  shift
  psql -Xq -v ON_ERROR_STOP=1 "$@" -d "$database" -f "$repo/sql/install.sql"
}

make_template() {
  q postgres "CREATE DATABASE ${prefix}_template"
  install_schema "${prefix}_template" >/dev/null
}

# fresh_database VARIABLE: a database of this test's own, with pgevents in it
fresh_database() {
  counter=$((counter + 1))
  q postgres "CREATE DATABASE ${prefix}_$counter TEMPLATE ${prefix}_template"
  # The first generation, as if an event had been published, so that no test is the first publisher.
  q "${prefix}_$counter" "INSERT INTO pgevents.generations (first_id, after_id, place)
    VALUES (1, 0, pgevents.generation_place());
    INSERT INTO pgevents.crash_mark DEFAULT VALUES"
  printf -v "$1" %s "${prefix}_$counter"
}

empty_database() {
  counter=$((counter + 1))
  q postgres "CREATE DATABASE ${prefix}_$counter ${2-}"
  printf -v "$1" %s "${prefix}_$counter"
}

# it "sentence" FUNCTION: one test. It passes when the function, run with errexit, gets to its end.
it() {
  local name=$1 status
  [[ $name =~ $pattern ]] || return 0
  set +e
  (
    set -e
    trap close_sessions EXIT
    "$2"
  ) >"$work/output" 2>&1
  status=$?
  set -e
  counter=$((counter + 100))
  report "$status" "$name" "$work/output"
  drop_used
}

# Drops the databases of the test that has ended, so that a restart of the server need not sync them all. Databases that
# replication still uses stay until the end.
drop_used() {
  local name
  for name in $(q postgres "SELECT datname FROM pg_database WHERE datname ~ '^${prefix}_[0-9]+$'"); do
    q postgres "DROP DATABASE $name WITH (FORCE)" 2>/dev/null || true
  done
}

report() {
  if (($1 == 0)); then
    passed=$((passed + 1))
    echo "ok   $2"
  else
    failed=$((failed + 1))
    echo "FAIL $2"
    sed 's/^/     /' "$3"
  fi
}

fail() {
  echo "failed: $*"
  exit 1
}

# is GOT WANTED WHAT
is() { [[ $1 == "$2" ]] || fail "$3: got '$1', wanted '$2'"; }

# attach_refused DATABASE FUNCTION: a role of no rights cannot make the function a trigger of a table of its own.
attach_refused() {
  local stranger=${prefix}_stranger
  q "$1" "CREATE ROLE $stranger"
  q "$1" "SET ROLE $stranger; CREATE TEMP TABLE mine (id int);
    CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION public.$2()" 2>"$work/attached" &&
    fail "$2() became a trigger of a stranger's table"
  grep -q "permission denied for function public.$2" "$work/attached" || fail "$(cat "$work/attached")"
  q "$1" "DROP ROLE $stranger"
}

# newest DATABASE: the first id of its newest generation
newest() { q "$1" "SELECT max(first_id) FROM pgevents.generations"; }

# wait_for DATABASE WANTED SQL: asks until the answer is as wanted, at most 15 s
wait_for() {
  local deadline=$((SECONDS + 15)) got
  while got=$(q "$1" "$3") && [[ $got != "$2" ]]; do
    ((SECONDS < deadline)) || fail "'$3' is still '$got', not '$2'"
    sleep 0.05
  done
}

# is_waiting DATABASE: waits until one of its sessions waits for a lock
is_waiting() {
  wait_for "$1" 1 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock'"
}

# --- Tests in SQL: every "-- test: sentence" in a file begins one, which runs in a database of its own.

run_sql_file() {
  local line name="" body=$work/body.sql
  : >"$body"
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line == "-- test: "* ]]; then
      run_sql_test "$name" "$body"
      name=${line#-- test: }
      : >"$body"
    else
      printf '%s\n' "$line" >>"$body"
    fi
  done <"$1"
  run_sql_test "$name" "$body"
}

run_sql_test() {
  local status=0 database
  [[ -n $1 && $1 =~ $pattern ]] || return 0
  fresh_database database
  cat "$here/prelude.sql" "$2" "$here/epilogue.sql" |
    psql -Xq -v ON_ERROR_STOP=1 -d "$database" -f - -o /dev/null >"$work/output" 2>&1 || status=$?
  report "$status" "$1" "$work/output"
  q postgres "DROP DATABASE $database WITH (FORCE)"
}

# --- Sessions: psql processes that stay, for transactions that overlap.

declare -A session_pid=() session_input=() session_turn=()

# session NAME DATABASE
session() {
  local name=$1 fifo=$work/$1.in fd
  rm -f -- "$fifo"
  mkfifo -- "$fifo"
  : >"$work/$name.out" # psql empties it when it starts: until then it has the marks of an earlier session of this name
  psql -XAtq -d "$2" <"$fifo" >"$work/$name.out" 2>&1 &
  session_pid[$name]=$!
  exec {fd}>"$fifo"
  session_input[$name]=$fd
  session_turn[$name]=0
}

# send NAME SQL: does not wait for the answer
send() {
  session_turn[$1]=$((${session_turn[$1]} + 1))
  printf '%s\n\\echo done-%s\n' "$2" "${session_turn[$1]}" >&"${session_input[$1]}"
}

is_done() { grep -q "^done-${session_turn[$1]}\$" "$work/$1.out"; }

# await NAME: until the session has finished what was sent to it
await() {
  local deadline=$((SECONDS + 20))
  until is_done "$1"; do
    ((SECONDS < deadline)) || fail "session $1 does not come back: $(tail -n 3 "$work/$1.out")"
    sleep 0.02
  done
}

run_in() {
  send "$1" "$2"
  await "$1"
}

# output NAME: everything the session has printed, without the marks
output() { grep -v '^done-' "$work/$1.out" || true; }

close_session() {
  local fd=${session_input[$1]}
  exec {fd}>&-
  kill "${session_pid[$1]}" 2>/dev/null || true
  wait "${session_pid[$1]}" 2>/dev/null || true
  unset "session_pid[$1]"
}

close_sessions() {
  local name fd
  for name in "${!session_pid[@]}"; do
    fd=${session_input[$name]}
    exec {fd}>&-
    kill "${session_pid[$name]}" 2>/dev/null || true
    wait "${session_pid[$name]}" 2>/dev/null || true
  done
  session_pid=()
}
