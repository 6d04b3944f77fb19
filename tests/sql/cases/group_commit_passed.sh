# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Transactions that have left events and stay open, while hundreds of others leave theirs behind them. Uses functions of
# group_commit.sh, which runs before.

# pass DATABASE: so many turns leave that the search for events passes those of transactions that are open. A session's
# first call marks nothing if it has checked the generation, which may have taken a number.
pass() {
  local leave
  leave="SELECT setval('pgevents.ready_n', pgevents.ready_number() + 600); $(publish other)"
  printf '%s\nSELECT pgevents.sequence();\n' "" "$leave" "$leave" | sql -d "$1" >/dev/null
}
# is_passed DATABASE: whether the search for events begins behind turns that may still come
is_passed() { q "$1" "SELECT coalesce(max(after), 0) > pg_sequence_last_value('pgevents.ready_low') FROM pgevents.ready_marks"; }
# news DATABASE: the events since the last call, without those of pass()
news() {
  logged "$1" "$(cat "$work/seen")" | xargs -n 1 | grep -v other | xargs
  head_of "$1" >"$work/seen"
}

# Each line: NAME | begins with | then is passed, and ends with | its events; <x> publishes x.
idlers="
an event | BEGIN; <a> SET CONSTRAINTS ALL IMMEDIATE; | COMMIT; | a before behind
several events | BEGIN; <a> <b> <c> SET CONSTRAINTS ALL IMMEDIATE; | COMMIT; | a b c before behind
several turns | BEGIN; <a> <b> SET CONSTRAINTS ALL IMMEDIATE; <c> SET CONSTRAINTS ALL DEFERRED; <d> SET CONSTRAINTS ALL IMMEDIATE; | COMMIT; | a b c d before behind
a turn before, and one after | BEGIN; <a> <b> SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; | <c> <d> COMMIT; | a b before c d behind
nothing | BEGIN; <x> SET CONSTRAINTS ALL IMMEDIATE; | ROLLBACK; | before behind
a turn in a savepoint | BEGIN; SAVEPOINT s; <a> <b> SET CONSTRAINTS ALL IMMEDIATE; RELEASE s; | COMMIT; | a b before behind
a turn in a savepoint that is rolled back | BEGIN; <a> SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT s; <x> | ROLLBACK TO s; COMMIT; | a before behind
the second event in a savepoint that is rolled back | BEGIN; <a> SAVEPOINT s; <x> ROLLBACK TO s; SET CONSTRAINTS ALL IMMEDIATE; | COMMIT; | a before behind
repeatable read | BEGIN ISOLATION LEVEL REPEATABLE READ; <a> <b> SET CONSTRAINTS ALL IMMEDIATE; | COMMIT; | a b before behind
serializable | BEGIN ISOLATION LEVEL SERIALIZABLE; <a> <b> SET CONSTRAINTS ALL IMMEDIATE; | <c> COMMIT; | a b before c behind
"
if [[ $(q postgres "SHOW max_prepared_transactions") != 0 ]]; then
  idlers+="a prepared transaction | BEGIN; <a> <b> PREPARE TRANSACTION 'idler'; | COMMIT PREPARED 'idler'; | a b before behind
"
fi

# drain_all DATABASE HOW: gives ids to all that was left, in one of the ways
drain_all() {
  case $2 in
    one_by_one) wait_for "$1" 0 "SELECT events FROM pgevents.sequence(1)" ;;
    publisher) q "$1" "$(publish last)" >/dev/null ;;
  esac
}

# idle DATABASE HOW NAME BEGINS ENDS EVENTS
idle() {
  local database=$1 how=$2 last=
  head_of "$database" >"$work/seen"
  run_in sequencer "SELECT pgevents.sequencer_begin();"
  run_in gate "BEGIN; SELECT pg_advisory_xact_lock_shared(1885824374, 5), nextval('pgevents.ready_n');"
  run_in idler "$4"
  run_in gate "ROLLBACK;"
  pass "$database"
  is "$(is_passed "$database") $(news "$database")" "t " "passed, $3, $how"
  q "$database" "$(publish before)" >/dev/null
  run_in idler "$5"
  q "$database" "$(publish behind)" >/dev/null
  run_in sequencer "SELECT pgevents.sequencer_end();"
  drain_all "$database" "$how"
  [[ $how != publisher ]] || last=last
  is "$(news "$database")" "$(xargs <<<"$6 $last")" "events, $3, $how"
  settle "$database"
  is "$(left_in "$database") $(settled "$database")" "0 t" "in the end, $3, $how"
}
each_idler() {
  local database name begins ends events how
  fresh_database database
  for name in sequencer gate idler; do session "$name" "$database"; done
  for how in one_by_one publisher; do
    while IFS='|' read -r name begins ends events; do
      [[ -n ${name// /} ]] || continue
      idle "$database" "$how" "$name" "$(expand "$begins")" "$(expand "$ends")" "$events"
    done <<<"$idlers"
  done
  is "$(output idler | grep ERROR)" "" "the idle transactions"
  is "$(q "$database" "SELECT count(*) FROM pgevents.ready_marks")" 1 "marks"
}
# expand STATEMENTS: with <x> as the publication of x
expand() { sed -E 's/<([a-z]+)>/'"SELECT pgevents.publish('c', 't', '\"\\1\"');"'/g' <<<"$1"; }
it "the events of a transaction that has left them and stayed open come in their order, whatever was left behind it" \
  each_idler

idle_big_turn() {
  local database
  fresh_database database
  watch "$database"
  run_in leaver "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 5000) n; SET CONSTRAINTS ALL IMMEDIATE;"
  pass "$database"
  run_in leaver "COMMIT;"
  q "$database" "$(publish 5001)" >/dev/null
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(2001,1,t,f,f,t)" "the first part"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(2001,1,t,f,f,t)" "the second part"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(998,1,t,f,f,t)" "the rest"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(1,1,f,f,f,t)" "the next turn"
  is "$(q "$database" "SELECT count(*), bool_and(id = number + 3) FROM (SELECT id, (data #>> '{}')::int AS number
    FROM pgevents.log WHERE data #>> '{}' <> 'other') l")" "5001|t" "in order"
}
it "a big transaction that has stayed open gets its ids in parts, and what was left behind it afterwards" idle_big_turn

# A dump may have brought the mark together with events, and another transaction of the same number may be open here.
marks_of_another_place() {
  local database
  fresh_database database
  watch "$database"
  run_in leaver "$(publish idle) SET CONSTRAINTS ALL IMMEDIATE;"
  pass "$database"
  is "$(is_passed "$database")" t "passed"
  run_in leaver "COMMIT;"
  q "$database" "UPDATE pgevents.ready SET left_by = '1'; UPDATE pgevents.generations SET place = 'elsewhere'"
  settle "$database"
  is "$(logged "$database" | xargs -n 1 | grep -v other)" idle "events"
}
it "in a new generation the search for events that were left begins anew" marks_of_another_place

# The plans must not depend on how full the table was when they were made.
reads_little() {
  local database pages
  fresh_database database
  watch "$database"
  run_in leaver "$(publish idle) SET CONSTRAINTS ALL IMMEDIATE;"
  session server "$database"
  run_in server "SET plan_cache_mode = force_generic_plan; SELECT pgevents.sequence();"
  q "$database" "SELECT pgevents.publish('c', 't', '1') FROM generate_series(1, 20000)" >/dev/null
  pass "$database"
  wait_for "$database" 0 "SELECT events FROM pgevents.sequence()"
  pass "$database"
  run_in server "SELECT pgevents.sequence();"
  run_in server "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) SELECT pgevents.sequence();"
  pages=$(output server | sed -n 's/.*Buffers: shared hit=\([0-9]*\).*/\1/p' | head -n 1)
  ((pages < 150)) || fail "sequence() reads $pages pages"
}
it "while a transaction that has left its events stays open, giving ids does not read what was removed before" reads_little
