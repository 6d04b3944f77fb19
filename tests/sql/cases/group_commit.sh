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
the generation's check set by the session | a | SET pgevents.generation_checked = 'yes'; <a>
the number to leave under set by the session | a b | SET pgevents.ready_number = '7'; BEGIN ISOLATION LEVEL SERIALIZABLE; <a> <b> COMMIT;
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

# revoked DATABASE: control events in the log
revoked() { q "$1" "SELECT string_agg(type || ':' || (data ->> 'user'), ' ' ORDER BY id) FROM pgevents.log
  WHERE channel_id = 'pgevents.control'"; }

control_events() {
  local database
  fresh_database database
  watch "$database"
  q "$database" "BEGIN; $(publish a) $(publish b) SELECT pgevents.revoke('10'); $(publish c) COMMIT" >/dev/null
  is "$(logged "$database") | $(revoked "$database")" "a b c | pgevents.revoked:10" "together with a revocation"
  is "$(q "$database" "SELECT string_agg(type, ' ' ORDER BY id) FROM pgevents.log")" "t t pgevents.revoked t" "their order"
  # Whatever a session sets, a control event is not lost, and does not leave.
  q "$database" "BEGIN; SELECT pgevents.disconnect('11'), set_config('pgevents.turn', '7', true),
    set_config('pgevents.direct', '', true); SELECT pgevents.disconnect('12'), set_config('pgevents.turn', '7+', true), set_config('pgevents.direct', '', true); COMMIT" >/dev/null
  q "$database" "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT pgevents.disconnect('13'); COMMIT" >/dev/null
  is "$(revoked "$database")" \
    "pgevents.revoked:10 pgevents.disconnect:11 pgevents.disconnect:12 pgevents.disconnect:13" "control events"
  is "$(left_in "$database")" 0 "left"
}
it "a transaction with a control event does not leave its events, and keeps their order" control_events

# The settings that publishers keep are their own: a session that sets them harms at most its own events.
forged() {
  local database
  fresh_database database
  watch "$database"
  session forger "$database"
  run_in forger "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT set_config('pgevents.ready_number', '9000000000000000000', false); $(publish far) COMMIT;"
  run_in forger "BEGIN; SELECT set_config('pgevents.turn', '1', false); $(publish lost) COMMIT;"
  q "$database" "BEGIN; $(publish a) $(publish b) COMMIT" >/dev/null
  unwatch
  settle "$database"
  is "$(logged "$database")" "far a b" "events"
  (($(q "$database" "SELECT last_value FROM pgevents.ready_n") < 100)) || fail "numbers were used up"
}
it "a session that forges the settings of publishing harms no other session's events" forged

waits_without() {
  local database
  fresh_database database
  session listener "$database"
  session holder "$database"
  session publisher "$database"
  run_in listener "LISTEN pgevents;"
  run_in holder "BEGIN; SELECT pg_advisory_xact_lock(1885824374, 1);"
  send publisher "$(publish a)"
  is_waiting "$database"
  is "$(q "$database" "SELECT pgevents.publishers_waiting(), pgevents.status() ->> 'append'")" \
    "1|$(q "$database" "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND granted")" "who waits for whom"
  run_in holder "ROLLBACK;"
  await publisher
  is "$(logged "$database")|$(left_in "$database")" "a|0" "events"
  run_in listener "SELECT;"
  is "$(payloads)" "w" "notifications"
}
# payloads: of the notifications that the session "listener" has received; - for an empty one
payloads() {
  output listener | sed -nE 's/^Asynchronous notification "pgevents" (with payload "(.)" )?received.*/\2/p' |
    sed 's/^$/-/' | xargs
}
it "without a sequencer a publisher waits for its ids, and its notification says so" waits_without

leaves_at_once() {
  local database
  fresh_database database
  session listener "$database"
  session sequencer "$database"
  session holder "$database"
  run_in listener "LISTEN pgevents;"
  run_in sequencer "SELECT pgevents.sequencer_begin();"
  q "$database" "$(publish a)" >/dev/null
  is "$(logged "$database")" a "while the lock is free"
  run_in holder "BEGIN; $(publish b) SET CONSTRAINTS ALL IMMEDIATE;"
  promptly "$database" "$(publish c)" >/dev/null
  promptly "$database" "BEGIN; $(publish d) $(publish e) COMMIT" >/dev/null
  is "$(logged "$database")|$(left_in "$database")|$(settled "$database")" "a|3|f" "while it is taken"
  is "$(q "$database" "SELECT string_agg(s ->> k, ' ' ORDER BY k) FROM pgevents.status() s,
    unnest(ARRAY['ready', 'settled', 'group_commit']) k")" "on 3 false" "status"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(0,0,f,f,t,t)" "giving ids meanwhile"
  run_in holder "COMMIT;"
  is "$(logged "$database")" "a b" "the holder's"
  is "$(q "$database" "SELECT s FROM pgevents.sequence(1) s")" "(1,1,t,f,f,t)" "the first turn"
  is "$(q "$database" "SELECT s FROM pgevents.sequence(1) s")" "(2,1,f,f,f,t)" "the second turn, whole"
  is "$(logged "$database")" "a b c d e" "all"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(0,0,f,t,f,t)" "nothing left"
  is "$(settled "$database")" t "settled"
  run_in listener "SELECT;"
  is "$(payloads)" "- - s s" "notifications"
}
it "with a sequencer a publisher that would wait leaves its events; sequence() gives ids, whole turns in order" leaves_at_once

dead_sequencer() {
  local database
  fresh_database database
  session listener "$database"
  run_in listener "LISTEN pgevents;"
  watch "$database"
  q "$database" "$(publish a)" >/dev/null
  run_in leaver "ROLLBACK;"
  q "$database" "SELECT pg_terminate_backend((pgevents.status() ->> 'sequencer')::int)" >/dev/null
  wait_for "$database" "" "SELECT pgevents.status() ->> 'sequencer'"
  is "$(left_in "$database")" 1 "left by a sequencer that died"
  # This transaction cannot see what was left since it began, and must not overtake it.
  q "$database" "BEGIN ISOLATION LEVEL REPEATABLE READ; $(publish b) COMMIT" >/dev/null
  q "$database" "BEGIN ISOLATION LEVEL SERIALIZABLE; $(publish c) $(publish d) COMMIT" >/dev/null
  is "$(logged "$database")|$(left_in "$database")" "|4" "behind REPEATABLE READ and SERIALIZABLE"
  q "$database" "$(publish e)" >/dev/null
  is "$(logged "$database")|$(left_in "$database")" "a b c d e|0" "behind READ COMMITTED"
  q "$database" "$(publish f)" >/dev/null
  is "$(settled "$database")" t "settled by the second publisher"
  q "$database" "BEGIN ISOLATION LEVEL REPEATABLE READ; $(publish g) COMMIT" >/dev/null
  is "$(logged "$database")" "a b c d e f g" "all"
  run_in listener "SELECT;"
  is "$(payloads)" "l l s - - -" "notifications"
}
it "what a dead sequencer has left gets its ids with the next publisher; only READ COMMITTED sees it" dead_sequencer

http_behind() {
  local database
  fresh_database database
  watch "$database"
  q "$database" "$(publish a)" >/dev/null
  is "$(q "$database" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\",\"data\":\"http\"}', NULL) ->> 'id'")" 3 "id"
  is "$(logged "$database")" "a http" "events"
}
it "a publication over HTTP gets its id behind what was left before" http_behind

# T2 gets a lock that T1 had, so its events come after those of T1, whichever way each takes.
lock_order() {
  local database level
  fresh_database database
  q "$database" "CREATE TABLE rows (id int PRIMARY KEY); INSERT INTO rows VALUES (1)"
  watch "$database"
  for level in "READ COMMITTED" "REPEATABLE READ" SERIALIZABLE; do
    session one "$database"
    session two "$database"
    run_in two "BEGIN ISOLATION LEVEL $level; SELECT 1;"
    run_in one "BEGIN; SELECT pg_advisory_xact_lock(7); SELECT FROM rows FOR UPDATE; $(publish "1")"
    send two "SELECT pg_advisory_xact_lock(7); $(publish "2")"
    is_waiting "$database"
    run_in one "COMMIT;"
    await two
    # There is no sequencer any more when the second one commits, and all but the first one's events have their ids.
    run_in sequencer "SELECT pgevents.sequencer_end();"
    run_in two "COMMIT;"
    run_in sequencer "SELECT pgevents.sequencer_begin();"
    q "$database" "SELECT pgevents.sequence()" >/dev/null
    close_session one
    close_session two
  done
  is "$(logged "$database")" "1 2 1 2 1 2" "events"
}
it "a transaction that waited for another one's lock has its events behind the other's, at every isolation level" lock_order

direct_then_left() {
  local database
  fresh_database database
  session sequencer "$database"
  session one "$database"
  run_in sequencer "SELECT pgevents.sequencer_begin();"
  run_in one "BEGIN; $(publish a) SET CONSTRAINTS ALL IMMEDIATE;"
  promptly "$database" "$(publish other)" >/dev/null
  run_in one "SET CONSTRAINTS ALL DEFERRED; $(publish b) COMMIT;"
  is "$(logged "$database")|$(left_in "$database")" "a other b|0" "events"
}
it "a transaction that gave ids early gives them to all its events, behind what was left meanwhile" direct_then_left

in_flight_leaver() {
  local database
  fresh_database database
  watch "$database"
  run_in leaver "$(publish slow) SET CONSTRAINTS ALL IMMEDIATE;"
  q "$database" "$(publish a)" >/dev/null
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(1,1,f,f,f,t)" "beside one that has not committed"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(0,0,f,f,f,t)" "nothing is there, but not certainly"
  run_in leaver "COMMIT;"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(1,1,f,f,f,t)" "when it has"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(0,0,f,t,f,t)" "settled"
  is "$(logged "$database")" "a slow" "events"
}
it "a transaction that has left events and not committed yet keeps the log from being settled" in_flight_leaver

rolled_back_sequence() {
  local database
  fresh_database database
  watch "$database"
  q "$database" "$(publish a)" >/dev/null
  run_in leaver "ROLLBACK;"
  session server "$database"
  run_in server "BEGIN; SELECT pgevents.sequence(); SELECT pgevents.sequence(); ROLLBACK;"
  is "$(output server)" $'(1,1,f,f,f,t)\n(0,0,f,f,f,t)' "a transaction that moved events marks nothing"
  is "$(settled "$database")|$(left_in "$database")" "f|1" "rolled back"
  settle "$database"
  is "$(logged "$database")" a "events"
}
it "events whose ids were rolled back get others" rolled_back_sequence

prepared_leaver() {
  local database
  fresh_database database
  watch "$database"
  q "$database" "BEGIN; $(publish prepared) PREPARE TRANSACTION '$database'" >/dev/null
  unwatch
  q "$database" "$(publish a)" >/dev/null
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(0,0,f,f,f,f)" "while it is prepared"
  q "$database" "COMMIT PREPARED '$database'"
  settle "$database"
  is "$(logged "$database")" "a prepared" "events"
}
if [[ $(q postgres "SHOW max_prepared_transactions") != 0 ]]; then
  it "a prepared transaction that left its events keeps them, and the log unsettled until it ends" prepared_leaver
fi

one_sequencer() {
  local database
  fresh_database database
  session one "$database"
  session two "$database"
  run_in one "SET ROLE pgevents_server; SELECT pgevents.sequencer_begin(), pgevents.sequencer_begin();"
  run_in two "SELECT pgevents.sequencer_begin();"
  run_in one "SELECT pgevents.sequencer_end(); SELECT pgevents.sequencer_end();"
  run_in two "SELECT pgevents.sequencer_begin();"
  is "$(output one | tr '\n' ' ')|$(output two)" "t|t   |f
t" "who is the sequencer"
  q "$database" "UPDATE pgevents.settings SET value = 'off' WHERE name = 'group_commit'"
  run_in one "SELECT pgevents.sequencer_begin();"
  is "$(output one | tail -n 1)" f "with the setting off"
  is "$(q "$database" "SELECT pgevents.status() ->> 'sequencer' IS NOT NULL")" t "it goes on"
  run_in two "SELECT pgevents.sequence();"
  is "$(q "$database" "SELECT pgevents.status() ->> 'sequencer' IS NULL")" t "until its next call"
}
it "one session is the sequencer, as long as the setting group_commit is on" one_sequencer

# The statement is that of docs/sql.md, section 5.
locks_reserved() {
  local database owner=${prefix}_lock_owner guest=${prefix}_guest
  q postgres "CREATE ROLE $owner; CREATE ROLE $guest LOGIN IN ROLE pgevents_publisher"
  empty_database database
  install_schema "$database" -v owner="$owner" >/dev/null
  session guest "$database"
  run_in guest "SET ROLE $guest; SELECT pg_advisory_lock(1885824374, 1);"
  is "$(q "$database" "SELECT (pgevents.status() ->> 'append')::int = (SELECT pid FROM pg_locks
    WHERE locktype = 'advisory')")" t "status() shows the session that stops all publishing"
  run_in guest "SELECT pg_advisory_unlock_all();"
  sed -n '/^  DO \$\$/,/^  END \$\$;/p' "$repo/docs/sql.md" | sed "s/pgevents_owner/$owner/" | sql -d "$database"
  q "$database" "SET ROLE $guest; SELECT pg_advisory_lock(1885824374, 1)" >"$work/errors" 2>&1 && fail "a guest took it"
  q "$database" "SET ROLE $guest; SELECT pg_try_advisory_xact_lock_shared(1)" >>"$work/errors" 2>&1 && fail "a guest took one"
  is "$(grep -c "permission denied for function" "$work/errors")" 2 "complaints: $(cat "$work/errors")"
  q "$database" "SET ROLE $guest; $(publish a)" >/dev/null
  q "$database" "SET ROLE pgevents_server; SELECT pgevents.sequencer_begin(), pgevents.sequence(), pgevents.prune(),
    pgevents.presence_tick(), pgevents.http_publish('{}', 'c', '{\"type\":\"t\",\"data\":\"b\"}', 'k');
    SELECT pgevents.sequencer_end()" >/dev/null
  is "$(logged "$database")" "a b" "events"
}
it "where only the schema's owner may execute the functions for advisory locks, a guest cannot stop publishing" \
  locks_reserved
