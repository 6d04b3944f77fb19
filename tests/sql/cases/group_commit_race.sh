# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Many publishers beside sequencers that come and go.

ticket_rows=30
for level in "READ COMMITTED" "REPEATABLE READ" SERIALIZABLE; do
  # The row's lock gives the order of the tickets; nobody writes to the row, so no transaction fails.
  cat >"$work/ticket_${level// /_}.sql" <<EOS
\\set row random(1, $ticket_rows)
BEGIN ISOLATION LEVEL $level;
SELECT FROM rows WHERE id = :row FOR UPDATE;
SELECT pgevents.publish('row' || :row, 't', json_build_object('ticket', nextval('ticket' || :row), 'part', part))
  FROM generate_series(1, 1 + :row % 3) part;
COMMIT;
EOS
done
cat >"$work/sequencer.sql" <<'EOS'
SELECT pgevents.sequencer_begin();
SELECT pgevents.sequence(100);
\sleep 1 ms
EOS

# kill_sequencers DATABASE SECONDS: one of two works at a time; each is killed after a while. Beside them new sessions
# publish.
kill_sequencers() {
  local end=$((SECONDS + $2)) pid
  while ((SECONDS < end)); do
    pgbench -n -c 2 -T 60 -f "$work/sequencer.sql" "$1" >"$work/sequencer.out" 2>&1 &
    pid=$!
    sleep 0.5
    promptly "$1" "SELECT pgevents.publish('new', 't', '1')" >/dev/null || fail "a new publisher waits"
    (($(q "$1" "SELECT max(count) FROM (SELECT count(*) FROM pg_locks GROUP BY pid) l") < 40)) || fail "too many locks"
    q "$1" "SELECT pg_terminate_backend((pgevents.status() ->> 'sequencer')::int)" >/dev/null
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
}

# As many sessions as an application may have; each publishes alone or in a transaction.
storm() {
  local database publishers clients row
  clients=$(q postgres "SELECT least(300, current_setting('max_connections')::int - 20)")
  fresh_database database
  q "$database" "CREATE TABLE rows (id int PRIMARY KEY); INSERT INTO rows SELECT generate_series(1, $ticket_rows)"
  for ((row = 1; row <= ticket_rows; row++)); do echo "CREATE SEQUENCE ticket$row;"; done | sql -d "$database"
  publish alone >"$work/alone.sql"
  PGOPTIONS="-c lock_timeout=30s" pgbench -n -c "$clients" -j 2 -T 6 -f "$work/alone.sql@5" \
    -f "$work/ticket_READ_COMMITTED.sql@8" -f "$work/ticket_REPEATABLE_READ.sql@2" \
    -f "$work/ticket_SERIALIZABLE.sql@2" "$database" >"$work/pgbench.out" 2>&1 &
  publishers=$!
  kill_sequencers "$database" 6
  wait "$publishers" || fail "publishers: $(tail -n 5 "$work/pgbench.out")"
  settle "$database"
  (($(q "$database" "SELECT last_value FROM pgevents.ready_n") > 100)) || fail "too few turns were left: $(cat "$work/pgbench.out")"
  is "$(q "$database" "SELECT count(*) FROM (SELECT (data ->> 'ticket')::int AS ticket, lag((data ->> 'ticket')::int)
      OVER (PARTITION BY channel_id ORDER BY id) AS before FROM pgevents.log WHERE channel_id ~ 'row') l
    WHERE ticket < before")" 0 "out of order"
  is "$(q "$database" "SELECT string_agg(channel_id, ' ') FROM (SELECT channel_id FROM pgevents.log
      WHERE channel_id ~ 'row' GROUP BY 1 HAVING count(*) <> max((data ->> 'ticket')::int)) l")" "" \
    "channels without each ticket once"
  is "$(q "$database" "SELECT count(*) FROM (SELECT (data ->> 'part')::int AS part, id, lag(id) OVER
      (PARTITION BY channel_id ORDER BY (data ->> 'ticket')::int) AS before FROM pgevents.log WHERE channel_id ~ 'row') l
    WHERE part > 1 AND id <> before + 1")" 0 "events of one transaction with others between them"
}
it "hundreds of publishers at every isolation level, and sequencers that are killed: every event once and in order" storm

# The second turn takes a lock that another transaction has held: its event comes after that one's.
serializable_turns() {
  local database
  fresh_database database
  watch "$database"
  session first "$database"
  session second "$database"
  run_in first "BEGIN; SELECT pg_advisory_xact_lock(7, 1);"
  run_in second "BEGIN ISOLATION LEVEL SERIALIZABLE; $(publish early) SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;"
  run_in first "$(publish middle) COMMIT;"
  run_in second "SELECT pg_advisory_xact_lock(7, 1); $(publish late) COMMIT;"
  is "$(logged "$database")|$(left_in "$database")" "|3" "left"
  unwatch
  settle "$database"
  is "$(logged "$database")" "early middle late" "order"
}
it "a SERIALIZABLE transaction leaves the events of each turn in their own place" serializable_turns

hanging_sequencer() {
  local database
  fresh_database database
  watch "$database"
  q "$database" "$(publish a)" >/dev/null
  q "$database" "SELECT setval('pgevents.ready_n', pgevents.ready_number() + 5000)" >/dev/null
  promptly "$database" "$(publish b)" >/dev/null
  is "$(logged "$database")|$(left_in "$database")" "a b|0" "publishers give the ids"
  promptly "$database" "$(publish c)" >/dev/null
  unwatch
  settle "$database"
  is "$(logged "$database")" "a b c" "order"
}
it "when 5,000 turns wait for a sequencer that hangs, publishers give the ids" hanging_sequencer

# three_wait DATABASE STATEMENT: three publishers wait; then the statement is executed in the session sequencer, and the
# lock is free
three_wait() {
  local name
  run_in holder "BEGIN; SELECT pg_advisory_xact_lock(1885824374, 1);"
  for name in 1 2 3; do
    session "$name" "$1"
    send "$name" "$(publish "$name")"
    wait_for "$1" "$name" "SELECT pgevents.publishers_waiting()"
  done
  run_in sequencer "$2"
  run_in holder "COMMIT;"
  for name in 1 2 3; do
    await "$name"
    close_session "$name"
  done
}

waiting_leave() {
  local database
  fresh_database database
  session holder "$database"
  session sequencer "$database"
  three_wait "$database" "SELECT pgevents.sequencer_begin();"
  is "$(logged "$database")|$(left_in "$database")" "|3" "a sequencer has begun meanwhile"
  settle "$database"
  is "$(logged "$database" | xargs -n 1 | sort | xargs)" "1 2 3" "events; they did not depend on each other"
  close_session sequencer
  watch "$database"
  q "$database" "SELECT setval('pgevents.ready_n', 6000), setval('pgevents.ready_done', 6000)" >/dev/null
  q "$database" "$(publish a)" >/dev/null
  q "$database" "SELECT setval('pgevents.ready_done', 1)" >/dev/null
  three_wait "$database" "SELECT 1;"
  is "$(logged "$database" 4)|$(left_in "$database")" "a 1|2" "the first one has given ids to 5,000 turns"
  unwatch
  settle "$database"
  is "$(logged "$database" 4 | cut -c 1-4)|$(q "$database" "SELECT count(*) FROM pgevents.log")" "a 1 |7" "order"
}
it "publishers that had to wait leave their events as soon as they may, and do not wait for each other's flushes" \
  waiting_leave

release_before() { tar xJf "$repo/tests/upgrade/release-before.tar.xz" -C "$1" --wildcards 'sql/*'; }

upgrade_under_load() {
  local database publishers
  mkdir "$work/before"
  release_before "$work/before"
  empty_database database
  psql -Xq -v ON_ERROR_STOP=1 -d "$database" -f "$work/before/sql/install.sql"
  q "$database" "CREATE SEQUENCE number; CREATE TABLE truth (n bigint)"
  cat >"$work/load.sql" <<'EOS'
SELECT nextval('number') AS n \gset
BEGIN;
INSERT INTO truth VALUES (:n);
SELECT pgevents.publish('c', 't', to_json(:n));
COMMIT;
EOS
  cat >"$work/load_http.sql" <<'EOS'
SELECT nextval('number') AS n \gset
BEGIN;
INSERT INTO truth VALUES (:n);
SELECT pgevents.http_publish('{}', 'c', '{"type":"t","data":' || :n || '}', NULL);
COMMIT;
EOS
  pgbench -n -c 10 -j 1 -T 6 -f "$work/load.sql" -f "$work/load_http.sql" "$database" >"$work/pgbench.out" 2>&1 &
  publishers=$!
  wait_for "$database" t "SELECT count(*) > 30 FROM pgevents.log"
  install_schema "$database" >/dev/null
  is "$(q "$database" "SELECT pgevents.sequencer_begin()")" f "group commit in an upgraded installation"
  q "$database" "UPDATE pgevents.settings SET value = 'on' WHERE name = 'group_commit'"
  is "$(q "$database" "SELECT pgevents.sequencer_begin()")" t "when the operator has turned it on"
  wait "$publishers" || fail "publishers: $(tail -n 5 "$work/pgbench.out")"
  (($(q "$database" "SELECT count(*) FROM truth") > 100)) || fail "too few events: $(cat "$work/pgbench.out")"
  is "$(q "$database" "SELECT count(*) FROM truth FULL JOIN (SELECT data::text::bigint AS n FROM pgevents.log) l USING (n)
    WHERE truth IS NULL OR l IS NULL")" 0 "events in the log that differ from what was committed"
}
if [[ -f $repo/tests/upgrade/release-before.tar.xz ]]; then
  it "an upgrade beside publishers loses none of their events, and leaves group commit off" upgrade_under_load
fi
