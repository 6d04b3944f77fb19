# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Transactions that leave their events, and sequencers that give them ids.

publish() { printf "SELECT pgevents.publish('c', 't', '\"%s\"');" "$1"; }
# logged DATABASE [AFTER]: the data of the events on channel c behind an id
logged() { q "$1" "SELECT string_agg(data ->> 0, ' ' ORDER BY id) FROM (SELECT id, json_build_array(data #>> '{}') AS data
  FROM pgevents.log WHERE channel_id = 'c' AND id > ${2-0}) l"; }
head_of() { q "$1" "SELECT pgevents.head()"; }
left_in() { q "$1" "SELECT count(*) FROM pgevents.ready"; }
settled() { q "$1" "SELECT pgevents.is_settled()"; }
# settle DATABASE: what a front-end does until nothing is left to do
settle() { wait_for "$1" t "SELECT is_settled FROM pgevents.sequence()"; }

# watch DATABASE: a session "sequencer" that works, but never calls sequence(); and one that is leaving its events and
# does not commit until unwatch: nobody can tell whether everything is settled.
watch() {
  session sequencer "$1"
  run_in sequencer "SELECT pgevents.sequencer_begin();"
  is "$(output sequencer)" t "it is the sequencer"
  session leaver "$1"
  run_in leaver "BEGIN; SELECT pg_advisory_xact_lock_shared(1885824374, 5), nextval('pgevents.ready_n');"
}
unwatch() {
  run_in leaver "ROLLBACK;"
  run_in sequencer "SELECT pgevents.sequencer_end();"
}

# Each line: NAME | events that come | statements, where <x> publishes x.
transactions="
several events | a b | BEGIN; <a> <b> COMMIT;
many events | a b c d | BEGIN; <a> <b> <c> <d> COMMIT;
a statement with several rows | a b | INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{\"type\":\"t\",\"data\":\"a\"}'), ('c', '{\"type\":\"t\",\"data\":\"b\"}');
no transaction block | a b | <a> <b>
the first event in a savepoint that is rolled back | a | BEGIN; SAVEPOINT s; <x> ROLLBACK TO s; <a> COMMIT;
the second event in a savepoint that is rolled back | a b | BEGIN; <a> SAVEPOINT s; <x> ROLLBACK TO s; <b> COMMIT;
only the first event stays | a | BEGIN; <a> SAVEPOINT s; <x> <x> ROLLBACK TO s; COMMIT;
nested savepoints that are released | a b c | BEGIN; SAVEPOINT s; SAVEPOINT s2; <a> RELEASE s2; <b> RELEASE s; <c> COMMIT;
a released savepoint in one that is rolled back | a | BEGIN; SAVEPOINT s; SAVEPOINT s2; <x> RELEASE s2; ROLLBACK TO s; <a> COMMIT;
constraints immediate in the middle | a b c | BEGIN; <a> SET CONSTRAINTS ALL IMMEDIATE; <b> <c> COMMIT;
constraints immediate, several rows | a b c | BEGIN; SET CONSTRAINTS ALL IMMEDIATE; INSERT INTO pgevents.events (channel_id, data) SELECT 'c', json_build_object('type', 't', 'data', d) FROM unnest('{a,b,c}'::text[]) d; COMMIT;
constraints immediate in a savepoint that is rolled back | a b | BEGIN; <a> SAVEPOINT s; SET CONSTRAINTS ALL IMMEDIATE; <x> ROLLBACK TO s; <b> COMMIT;
constraints immediate, then deferred again | a b c | BEGIN; <a> SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; <b> <c> COMMIT;
constraints immediate before the first event | a b | BEGIN; SET CONSTRAINTS ALL IMMEDIATE; <a> <b> COMMIT;
the first round alone immediate | a b c | BEGIN; <a> SET CONSTRAINTS pgevents.staging_sequence IMMEDIATE; <b> <c> COMMIT;
the second round alone immediate | a b | BEGIN; <a> SET CONSTRAINTS pgevents.turns_sequence IMMEDIATE; <b> COMMIT;
settings reset in between | a b c d | BEGIN; <a> RESET ALL; <b> <c> RESET ALL; <d> COMMIT;
several turns and several events in each | a b c d e | BEGIN; <a> <b> SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; <c> <d> RESET ALL; <e> COMMIT;
a session without triggers | a b | BEGIN; SET LOCAL session_replication_role = replica; <a> <b> COMMIT;
repeatable read | a b | BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; <a> <b> COMMIT;
serializable | a b c | BEGIN ISOLATION LEVEL SERIALIZABLE; <a> <b> <c> COMMIT;
serializable, constraints immediate | a b c | BEGIN ISOLATION LEVEL SERIALIZABLE; <a> SET CONSTRAINTS ALL IMMEDIATE; <b> <c> COMMIT;
a block with an exception | a b c | BEGIN; <a> DO \$\$ BEGIN PERFORM pgevents.publish('c', 't', '\"x\"'); RAISE 'no'; EXCEPTION WHEN OTHERS THEN PERFORM pgevents.publish('c', 't', '\"b\"'); END \$\$; <c> COMMIT;
the turn set by the session | a | SET pgevents.turn = '5:7'; BEGIN; <a> COMMIT;
the generation's check set by the session | a | SET pgevents.generation_checked = 'yes'; <a>
the number to leave under set by the session | a b | SET pgevents.ready_number = '5:7'; BEGIN ISOLATION LEVEL SERIALIZABLE; <a> <b> COMMIT;
a rollback | | BEGIN; <x> ROLLBACK;
a rollback after constraints immediate | | BEGIN; <x> SET CONSTRAINTS ALL IMMEDIATE; <x> SET CONSTRAINTS ALL DEFERRED; <x> ROLLBACK;
the first turn in a savepoint that is rolled back | a | BEGIN; SAVEPOINT s; <x> SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; ROLLBACK TO s; <a> COMMIT;
savepoints behind constraints immediate | a b c | BEGIN; <a> SET CONSTRAINTS ALL IMMEDIATE; <b> SAVEPOINT s; <x> ROLLBACK TO s; <c> COMMIT;
the application's deferred trigger publishes | a deferred | BEGIN; <a> INSERT INTO orders VALUES (9); COMMIT;
only the application's deferred trigger publishes | deferred deferred | BEGIN; INSERT INTO orders VALUES (9), (9); COMMIT;
deferred triggers that queue deferred triggers | a deferred deferred deferred | BEGIN; <a> INSERT INTO orders VALUES (2); COMMIT;
"

prepare_orders() {
  q "$1" "CREATE TABLE orders (n int);
    CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS \$\$
    BEGIN
      PERFORM pgevents.publish('c', 't', '\"deferred\"');
      IF NEW.n < 4 THEN INSERT INTO orders VALUES (NEW.n + 1); END IF;
      RETURN NULL;
    END \$\$;
    CREATE CONSTRAINT TRIGGER announce AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION announce()"
}

# each_transaction DATABASE WATCHED: if WATCHED, none of the events is in the log at once, otherwise all are
each_transaction() {
  local database=$1 name wanted statements got
  local news="SELECT coalesce(string_agg(data #>> '{}', ' ' ORDER BY id), '') FROM pgevents.log WHERE channel_id = 'c' AND id > :head;"
  while IFS='|' read -r name wanted statements; do
    [[ -n ${name// /} ]] || continue
    wanted=$(echo "$wanted" | xargs)
    statements=$(sed -E 's/<([a-z]+)>/'"SELECT pgevents.publish('c', 't', '\"\\1\"');"'/g' <<<"$statements")
    got=$(sql -d "$database" <<<"SELECT pgevents.head() AS head \\gset
      \\o /dev/null
      $statements
      \\o
      $news SELECT events FROM pgevents.sequence(); $news SELECT count(*) FROM pgevents.ready" | tr '\n' '|') || fail "$name"
    if [[ $2 == watched ]]; then
      is "$got" "|$(wc -w <<<"$wanted")|$wanted|0|" "$name"
    else
      is "$got" "$wanted|0|$wanted|0|" "$name"
    fi
  done <<<"$transactions"
}
each_direct() {
  local database
  fresh_database database
  prepare_orders "$database"
  each_transaction "$database" unwatched
  is "$(q "$database" "SELECT last_value FROM pgevents.ready_n")" 1 "turns that were left"
}
each_left() {
  local database
  fresh_database database
  prepare_orders "$database"
  watch "$database"
  each_transaction "$database" watched
  unwatch
  settle "$database"
}
it "without a sequencer the events of every kind of transaction are in the log when COMMIT returns" each_direct
it "with a sequencer that is behind, the events of every kind of transaction are left, and come once and in order" each_left
