# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Transactions with very many events: they get their ids in parts, and nobody waits for them.

big_turn() {
  local database
  fresh_database database
  session sequencer "$database"
  run_in sequencer "SELECT pgevents.sequencer_begin();"
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 5000) n" >/dev/null
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(5001, 5002) n" >/dev/null
  is "$(logged "$database")|$(left_in "$database")" "|5002" "left, although nobody was in the way"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(2001,1,t,f,f,t)" "the first part"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(2001,1,t,f,f,t)" "the second part"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(1000,2,f,f,f,t)" "the rest, and the next turn"
  settle "$database"
  is "$(q "$database" "SELECT count(*), bool_and(id = (data #>> '{}')::int + 1) FROM pgevents.log")" "5002|t" "in order"
}
it "a big transaction leaves its events while a sequencer works, and they get their ids in parts" big_turn

# Each line: NAME | how many events | begins with | what is in the log at once, and in ready
big_turns="
a front-end is ready | 1500 | BEGIN | 0 1500
it is, at REPEATABLE READ | 1500 | BEGIN ISOLATION LEVEL REPEATABLE READ | 0 1500
it is, at SERIALIZABLE | 1500 | BEGIN ISOLATION LEVEL SERIALIZABLE | 1500 0
it is, but the turn is not big | 1000 | BEGIN | 1000 0
it is, but the transaction revokes | 1500 | BEGIN; SELECT pgevents.revoke('{\"sub\":\"u\"}') | 1500 0
"
big_turn_without_sequencer() {
  local database name events begins wanted head
  fresh_database database
  session front_end "$database"
  run_in front_end "LISTEN pgevents; SET ROLE pgevents_server; SELECT pgevents.sequencer_ready();"
  while IFS='|' read -r name events begins wanted; do
    [[ -n $name ]] || continue
    head=$(head_of "$database")
    q "$database" "$begins; SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, $events) n; COMMIT" >/dev/null
    is "$(q "$database" "SELECT format('%s %s', count(*), (SELECT count(*) FROM pgevents.ready)) FROM pgevents.log
      WHERE channel_id = 'c' AND id > $head")" "${wanted# }" "$name"
    settle "$database"
  done <<<"$big_turns"
  run_in front_end "SELECT 1;"
  is "$(output front_end | grep -c 'payload "l"')" 2 "notifications of turns that left"
  q "$database" "UPDATE pgevents.settings SET value = 'off' WHERE name = 'group_commit'"
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 1500) n" >/dev/null
  is "$(left_in "$database")" 0 "the setting is off"
  q "$database" "UPDATE pgevents.settings SET value = 'on' WHERE name = 'group_commit'"
  close_session front_end
  wait_for "$database" 0 "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 1500) n" >/dev/null
  is "$(left_in "$database")" 0 "the front-end is gone"
}
it "a big transaction leaves its events also while a front-end is ready to become the sequencer" big_turn_without_sequencer

# Until the front-end has become the sequencer.
behind_a_big_turn() {
  local database
  fresh_database database
  session front_end "$database"
  run_in front_end "SELECT pgevents.sequencer_ready();"
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 5000) n" >/dev/null
  q "$database" "$(publish 5001)" >/dev/null
  is "$(left_in "$database")" 3000 "the next publisher gives ids to a part only, and leaves its event"
  q "$database" "BEGIN ISOLATION LEVEL REPEATABLE READ; $(publish 5002) COMMIT" >/dev/null
  is "$(left_in "$database")" 3001 "at REPEATABLE READ it leaves its event"
  q "$database" "$(publish 5003)" >/dev/null
  is "$(left_in "$database")" 1001 "another part"
  q "$database" "$(publish 5004)" >/dev/null
  q "$database" "$(publish 5005)" >/dev/null
  is "$(left_in "$database")" 0 "in the end nothing is left"
  is "$(q "$database" "SELECT count(*), bool_and(id = (data #>> '{}')::int + 1) FROM pgevents.log")" "5005|t" "in order"
}
it "publishers behind a big transaction give ids to parts of it, and do not overtake it" behind_a_big_turn

# It is stopped twice on its way, and publishers go on each time: more of them than would wait for a sequencer that is
# far behind.
beside_a_publication() {
  local database
  fresh_database database
  q "$database" "$(publish first)" >/dev/null
  session sequencer "$database"
  run_in sequencer "SELECT pgevents.sequencer_begin();"
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 3000) n" >/dev/null
  q "$database" "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS
    \$\$ BEGIN PERFORM pg_advisory_xact_lock(NEW.id); RETURN NEW; END \$\$;
    CREATE TRIGGER stop BEFORE INSERT ON pgevents.log FOR EACH ROW WHEN (NEW.id IN (500, 2500)) EXECUTE FUNCTION stop()"
  session holder "$database"
  run_in holder "SELECT pg_advisory_lock(500), pg_advisory_lock(2500);"
  session over_http "$database"
  send over_http "SELECT pgevents.http_publish(NULL, 'c', '{\"type\":\"t\",\"data\":\"http\"}', NULL);"
  for stop in 500 2500; do
    wait_for "$database" 1 "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $stop AND NOT granted"
    for n in {1..300}; do publish "$n"; done | PGOPTIONS="-c lock_timeout=5s" sql -d "$database" >/dev/null ||
      fail "a publisher waited"
    run_in holder "SELECT pg_advisory_unlock($stop);"
  done
  await over_http
  settle "$database"
  is "$(q "$database" "SELECT count(*), min(id) FILTER (WHERE data #>> '{}' = 'http') FROM pgevents.log
    WHERE channel_id = 'c'")" "3602|3003" "events, and the place of the publication"
}
it "publishers do not wait for a publication over HTTP behind a big transaction" \
  beside_a_publication
