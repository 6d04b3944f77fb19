# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# A generation begins while transactions are open whose snapshots cannot show it.

old_snapshots="
the first generation | DELETE FROM pgevents.generations
another place | UPDATE pgevents.generations SET place = 'elsewhere'
a crash | TRUNCATE pgevents.crash_mark
"

# behind_generation DATABASE LEVEL CHANGE: a transaction begins, then another one begins the generation
behind_generation() {
  local before
  q "$1" "$3"
  before=$(head_of "$1")
  session old "$1"
  run_in old "BEGIN ISOLATION LEVEL $2; SELECT 1; $(publish old)"
  q "$1" "$(publish first)" >/dev/null
  run_in old "COMMIT;"
  is "$(output old | grep -c ERROR)" 0 "$2, $3: $(output old)"
  q "$1" "$(publish next)" >/dev/null
  q "$1" "SELECT pgevents.sequence()" >/dev/null
  is "$(logged "$1" "$before")" "first old next" "events: $2, $3"
  settle "$1"
  run_in old "$(publish again)"
  is "$(logged "$1" "$before")" "first old next again" "the session goes on: $2, $3"
  close_session old
}

unseen_generation() {
  local database level name change watched
  fresh_database database
  q "$database" "$(publish a)" >/dev/null
  session sequencer "$database"
  for watched in sequencer_end sequencer_begin; do
    run_in sequencer "SELECT pgevents.$watched();"
    for level in "READ COMMITTED" "REPEATABLE READ" SERIALIZABLE; do
      while IFS='|' read -r name change; do
        if [[ -n ${name// /} ]]; then behind_generation "$database" "$level" "$change"; fi
      done <<<"$old_snapshots"
    done
  done
  is "$(q "$database" "SELECT count(*) FROM pgevents.generations")" 3 "generations"
}
it "a transaction whose snapshot does not show the new generation begins no other one, and is not refused" \
  unseen_generation

unseen_control() {
  local database
  fresh_database database
  q "$database" "$(publish a)" >/dev/null
  q "$database" "UPDATE pgevents.generations SET place = 'elsewhere'"
  session old "$database"
  run_in old "\\set VERBOSITY sqlstate"
  run_in old "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SELECT pgevents.disconnect('10');"
  q "$database" "$(publish b)" >/dev/null
  run_in old "COMMIT;"
  is "$(output old | grep ERROR)" "ERROR:  40001" "a revocation"
  is "$(revoked "$database")" "" "control events"
  run_in old "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pgevents.disconnect('10'); COMMIT;"
  is "$(revoked "$database")" "pgevents.disconnect:10" "control events, when it is repeated"
}
it "a revocation whose snapshot does not show the new generation is refused, and may be repeated" unseen_control

# Each line: NAME | what a session does so that it begins no new generation. <x> publishes x.
forgeries="
the setting | SET pgevents.generation_checked = 'yes'; <x>
the setting as the functions set it | SELECT set_config('pgevents.generation_checked', 'pgevents.generation_seen'::regclass::oid::text, false); <x>
the setting, after a generation that was rolled back | BEGIN; <x> SET CONSTRAINTS ALL IMMEDIATE; <x> SET CONSTRAINTS ALL DEFERRED; <x> ROLLBACK; SELECT set_config('pgevents.generation_checked', 'pgevents.generation_seen'::regclass::oid::text, false); <x>
the same in a savepoint | BEGIN; <x> SAVEPOINT s; SET CONSTRAINTS ALL IMMEDIATE; <x> ROLLBACK TO s; ROLLBACK; SELECT set_config('pgevents.generation_checked', 'pgevents.generation_seen'::regclass::oid::text, false); <x>
the turns that follow | BEGIN; SET LOCAL pgevents.direct_until = '9000000000000000000'; <x> COMMIT;
"

# forged DATABASE LEVEL STATEMENTS: after a crash a publisher tries, and another one publishes honestly
forged() {
  local before role=forger_$1
  before=$(head_of "$1")
  q "$1" "TRUNCATE pgevents.crash_mark"
  sql -d "$1" -v ON_ERROR_STOP=0 >/dev/null 2>&1 <<<"SET ROLE $role; SET default_transaction_isolation = '$2';
    $(sed -E "s/<([a-z]+)>/$(publish '\1')/g" <<<"$3")" || true
  q "$1" "$(publish b)" >/dev/null
  settle "$1"
  q "$1" "SELECT (SELECT type FROM pgevents.log WHERE id > $before ORDER BY id LIMIT 1),
    (SELECT count(*) FROM pgevents.generations WHERE after_id >= $before), (SELECT count(*) FROM pgevents.crash_mark)"
}

forged_generations() {
  local database name statements level watched
  fresh_database database
  sql -qd postgres -c "CREATE ROLE forger_$database IN ROLE pgevents_publisher"
  q "$database" "$(publish a)" >/dev/null
  session sequencer "$database"
  for watched in sequencer_end sequencer_begin; do
    run_in sequencer "SELECT pgevents.$watched();"
    for level in "read committed" "repeatable read" serializable; do
      while IFS='|' read -r name statements; do
        [[ -n ${name// /} ]] || continue
        is "$(forged "$database" "$level" "$statements")" "pgevents.generation|1|1" "$name, $level, $watched"
      done <<<"$forgeries"
    done
  done
}
it "no setting of a session keeps it from beginning the generation after a crash" forged_generations
