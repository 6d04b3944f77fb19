# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Many publishers beside sequencers that come and go.

for level in "READ COMMITTED" "REPEATABLE READ" SERIALIZABLE; do
  # The row's lock gives the order of the tickets; nobody writes to the row, so no transaction fails.
  cat >"$work/ticket_${level// /_}.sql" <<EOS
\\set row random(1, 6)
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

# kill_sequencers DATABASE SECONDS: one works at a time; each is killed after a while
kill_sequencers() {
  local end=$((SECONDS + $2)) pid
  while ((SECONDS < end)); do
    pgbench -n -c 1 -T 60 -f "$work/sequencer.sql" "$1" >"$work/sequencer.out" 2>&1 &
    pid=$!
    sleep 0.7
    q "$1" "SELECT pg_terminate_backend((pgevents.status() ->> 'sequencer')::int)" >/dev/null
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
}

storm() {
  local database publishers clients=60
  fresh_database database
  q "$database" "CREATE TABLE rows (id int PRIMARY KEY); INSERT INTO rows SELECT generate_series(1, 6)"
  for row in 1 2 3 4 5 6; do q "$database" "CREATE SEQUENCE ticket$row"; done
  pgbench -n -c $clients -j 2 -T 5 -f "$work/ticket_READ_COMMITTED.sql@8" -f "$work/ticket_REPEATABLE_READ.sql@1" \
    -f "$work/ticket_SERIALIZABLE.sql@1" "$database" >"$work/pgbench.out" 2>&1 &
  publishers=$!
  kill_sequencers "$database" 5
  wait "$publishers" || fail "publishers: $(tail -n 5 "$work/pgbench.out")"
  settle "$database"
  (($(q "$database" "SELECT last_value FROM pgevents.ready_n") > 100)) || fail "too few turns were left: $(cat "$work/pgbench.out")"
  is "$(q "$database" "SELECT count(*) FROM (SELECT (data ->> 'ticket')::int AS ticket, lag((data ->> 'ticket')::int)
      OVER (PARTITION BY channel_id ORDER BY id) AS before FROM pgevents.log) l WHERE ticket < before")" 0 "out of order"
  is "$(q "$database" "SELECT string_agg(concat(channel_id, events = tickets), ' ')
    FROM (SELECT channel_id, count(*) AS events, max((data ->> 'ticket')::int) AS tickets FROM pgevents.log
           GROUP BY 1 ORDER BY 1) l")" "row1t row2t row3t row4t row5t row6t" "each ticket once"
  is "$(q "$database" "SELECT count(*) FROM (SELECT (data ->> 'part')::int AS part, id,
      lag(id) OVER (PARTITION BY channel_id ORDER BY (data ->> 'ticket')::int) AS before FROM pgevents.log) l
    WHERE part > 1 AND id <> before + 1")" 0 "events of one transaction with others between them"
}
it "sixty publishers at every isolation level, and sequencers that are killed: every event once and in order" storm

# While a transaction is always leaving events, and an old snapshot keeps what was removed, the mark moves all the same.
forced() {
  local database
  fresh_database database
  watch "$database"
  session long "$database"
  run_in long "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pgevents.ready;"
  q "$database" "$(publish a)" >/dev/null
  q "$database" "SELECT setval('pgevents.ready_n', 200000), setval('pgevents.ready_done', 200000)" >/dev/null
  q "$database" "$(publish b)" >/dev/null
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(2,2,f,f,f,t)" "a transaction leaves"
  is "$(q "$database" "SELECT last_value FROM pgevents.ready_low")" 1 "the mark, while it does not end"
  run_in leaver "ROLLBACK; BEGIN;"
  q "$database" "$(publish c)" >/dev/null
  send leaver "SELECT pg_advisory_xact_lock_shared(1885824374, 5), pg_sleep(0.005); COMMIT;"
  is "$(q "$database" "SELECT s FROM pgevents.sequence() s")" "(1,1,f,f,f,t)" "it ends soon"
  is "$(q "$database" "SELECT last_value FROM pgevents.ready_low")" 200001 "the mark: all but what was there still"
  await leaver
  settle "$database"
  is "$(logged "$database")" "a b c" "events"
}
it "when the mark of what has ids is far behind, publishers are held up for a moment so that it can move" forced

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
