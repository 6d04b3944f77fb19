# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Many publishers at once. Every test that looks for a loss also runs where the loss must happen, so that it can fail.

# Transactions of one to three events that sleep up to 20 ms before they end; one in ten is rolled back. Every event
# goes into the log and into a table with plain bigserial ids; a third table has the committed events.
cat >"$work/publish.sql" <<'E2'
\set events random(1, 3)
\set pause random(0, 20)
\set fate random(1, 10)
BEGIN;
SELECT nextval('blocks') AS first \gset
INSERT INTO truth (n) SELECT :first + i FROM generate_series(0, :events - 1) i;
INSERT INTO control (n) SELECT :first + i FROM generate_series(0, :events - 1) i;
INSERT INTO pgevents.events (channel_id, data)
  SELECT 'c' || (:first + i) % 3, json_build_object('type', 't', 'data', :first + i)
    FROM generate_series(0, :events - 1) i;
\sleep :pause ms
\if :fate = 1
ROLLBACK;
\else
COMMIT;
\endif
E2

race() {
  local database publishers
  fresh_database database
  q "$database" "CREATE SEQUENCE blocks INCREMENT BY 3; CREATE TABLE truth (n bigint PRIMARY KEY);
    CREATE TABLE control (id bigserial PRIMARY KEY, n bigint);
    CREATE TABLE got (source text, place bigint, id bigint, n bigint);
    CREATE PROCEDURE poll(seconds int) LANGUAGE plpgsql AS \$\$
    DECLARE
      last_log bigint := 0; last_control bigint := 0; last_fetch bigint := 0; page bigint;
      finish timestamptz := clock_timestamp() + seconds * interval '1 second';
    BEGIN
      WHILE clock_timestamp() < finish LOOP
        INSERT INTO got SELECT 'log', nextval('place'), id, data::bigint FROM pgevents.log_after(last_log, 1000)
          ORDER BY id;
        SELECT coalesce(max(id), last_log) INTO last_log FROM got WHERE source = 'log';
        INSERT INTO got SELECT 'control', nextval('place'), id, n FROM (SELECT * FROM control WHERE id > last_control
          ORDER BY id) c;
        SELECT coalesce(max(id), last_control) INTO last_control FROM got WHERE source = 'control';
        INSERT INTO got SELECT 'fetch', nextval('place'), id, data::bigint
          FROM pgevents.fetch('{c0,c1}', last_fetch, NULL, 7, 1000000);
        SELECT id INTO last_fetch FROM got WHERE source = 'fetch' ORDER BY place DESC LIMIT 1;
        COMMIT;
      END LOOP;
    END \$\$;
    CREATE SEQUENCE place; CREATE INDEX ON got (source, id); CREATE INDEX ON got (source, place)"
  pgbench -n -c 20 -j 1 -T 6 -f "$work/publish.sql" "$database" >"$work/pgbench.out" 2>&1 &
  publishers=$!
  q "$database" "CALL poll(8)"
  wait "$publishers" || fail "$(tail -n 5 "$work/pgbench.out")"
  (($(q "$database" "SELECT count(*) FROM truth") > 1000)) ||
    fail "too few events to prove anything: $(cat "$work/pgbench.out")"
  is "$(q "$database" "SELECT count(*) FROM truth FULL JOIN (SELECT data::text::bigint AS n
    FROM pgevents.log) l USING (n)
    WHERE truth IS NULL OR l IS NULL")" 0 "events in the log that differ from what was committed"
  is "$(q "$database" "SELECT count(*) FROM truth LEFT JOIN (SELECT n FROM got WHERE source = 'log') g USING (n)
    WHERE g IS NULL")" 0 \
    "events lost by a reader of the log"
  is "$(q "$database" "SELECT count(*) FROM truth LEFT JOIN (SELECT n FROM got WHERE source = 'fetch') g USING (n)
    WHERE n % 3 < 2 AND g IS NULL")" 0 "events lost by a reader with fetch()"
  is "$(q "$database" "SELECT count(*) - count(DISTINCT (source, n)) FROM got WHERE n IS NOT NULL")" \
    0 "events read twice"
  (($(q "$database" "SELECT count(*) FROM truth LEFT JOIN (SELECT n FROM got WHERE source = 'control') g USING (n)
    WHERE g IS NULL") > 0)) ||
    fail "the control with bigserial ids lost nothing: this test proves nothing"
  is "$(q "$database" "SELECT count(*) FROM (SELECT ts < lag(ts) OVER (ORDER BY id) AS back FROM pgevents.log) l
    WHERE back")" 0 "times out of order"
}
it "a reader loses none of the events of 20 publishers, but some with bigserial ids" race

# Half of the clients publish and then lock a row, the other half lock it and then publish.
cat >"$work/publish_first.sql" <<'E2'
\set row random(1, 3)
BEGIN;
SELECT PUBLISH;
UPDATE rows SET n = n + 1 WHERE id = :row;
COMMIT;
E2
cat >"$work/lock_first.sql" <<'E2'
\set row random(1, 3)
BEGIN;
UPDATE rows SET n = n + 1 WHERE id = :row;
SELECT PUBLISH;
COMMIT;
E2

# deadlocks DATABASE PUBLISH-EXPRESSION
deadlocks() {
  sed -i.bak "s/PUBLISH/$2/" "$work/publish_first.sql" "$work/lock_first.sql"
  pgbench -n -c 8 -j 1 -T 3 -f "$work/publish_first.sql" -f "$work/lock_first.sql" "$1" \
    >"$work/pgbench.out" 2>&1 || true
  mv "$work/publish_first.sql.bak" "$work/publish_first.sql"
  mv "$work/lock_first.sql.bak" "$work/lock_first.sql"
  sleep 1 # the counter may lag behind
  q "$1" "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
}

opposite_orders() {
  local database
  fresh_database database
  q "$database" "CREATE TABLE rows (id int PRIMARY KEY, n int); INSERT INTO rows SELECT i, 0
    FROM generate_series(1, 3) i"
  is "$(deadlocks "$database" "pgevents.publish('c', 't', '1')")" 0 "deadlocks"
  (($(q "$database" "SELECT count(*) FROM pgevents.log") > 100)) || fail "too few events: $(cat "$work/pgbench.out")"
  is "$(q "$database" "SELECT sum(n) = (SELECT count(*) FROM pgevents.log) FROM rows")" t "every commit published"
  (($(deadlocks "$database" "pg_advisory_xact_lock(1)") > 0)) ||
    fail "the control, with a lock taken when publishing, had no deadlock: this test proves nothing"
}
it "publishing before or after locking a row causes no deadlock, but a lock taken at once does" opposite_orders

# A long transaction, publishers, a pruner with a very short retention, and a reader that is sometimes too slow.
prune_race() {
  local database publishers pruner
  fresh_database database
  q "$database" "UPDATE pgevents.settings SET value = '300 milliseconds' WHERE name = 'retention'"
  q "$database" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  session long "$database"
  run_in long "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pgevents.events;"
  echo "SELECT pgevents.publish('c', 't', '1')" >"$work/one.sql"
  echo "SELECT pgevents.prune(50)" >"$work/prune.sql"
  pgbench -n -c 4 -j 1 -T 5 -f "$work/one.sql" "$database" >"$work/pgbench.out" 2>&1 &
  publishers=$!
  pgbench -n -c 2 -j 1 -T 6 -f "$work/prune.sql" "$database" >"$work/prune.out" 2>&1 &
  pruner=$!
  q "$database" "CREATE TABLE mistakes (what text);
    CREATE PROCEDURE read() LANGUAGE plpgsql AS \$\$
    DECLARE place bigint := 0; at bigint; event record; resets int := 0; events int := 0;
      finish timestamptz := clock_timestamp() + interval '5 seconds';
    BEGIN
      WHILE clock_timestamp() < finish LOOP
        at := place;
        FOR event IN SELECT * FROM pgevents.fetch('{c}', place, NULL, 100, 1000000) LOOP
          IF event.type = 'pgevents.reset' THEN
            resets := resets + 1;
          ELSIF event.channel_id IS NULL THEN
            place := event.id;
          ELSIF event.id <> at + 1 AND at > 0 THEN
            INSERT INTO mistakes VALUES (format('after %s came %s', at, event.id));
          ELSE
            events := events + 1;
          END IF;
          at := event.id;
        END LOOP;
        COMMIT;
        IF random() < 0.05 THEN PERFORM pg_sleep(0.5); END IF;
      END LOOP;
      IF resets = 0 OR events < 100 THEN INSERT INTO mistakes
        VALUES (format('only %s resets, %s events', resets, events)); END IF;
    END \$\$"
  q "$database" "CALL read()"
  wait "$publishers" || fail "publishers: $(tail -n 5 "$work/pgbench.out")"
  wait "$pruner" || fail "pruner: $(tail -n 5 "$work/prune.out")"
  is "$(q "$database" "SELECT string_agg(what, ', ') FROM mistakes")" "" "mistakes"
  (($(q "$database" "SELECT pruned_id FROM pgevents.history") > 100)) || fail "too little was pruned"
  is "$(q "$database" "SELECT count(*) = pgevents.head() - (SELECT pruned_id FROM pgevents.history)
    FROM pgevents.log")" t "what is kept is whole"
  run_in long "SELECT count(*) FROM pgevents.events; COMMIT;"
  is "$(output long)" $'1\n1' "what the long transaction sees, before and after"
}
it "pruning beside publishers, a long transaction and slow readers causes no error and no silent gap" prune_race

# The first one holds the lock under which ids are given, the second one waits for it, the third one only reads.
status_counts() {
  local database
  fresh_database database
  counts() { q "$database" "SELECT (s ->> 'publishing') || ' ' || (s ->> 'waiting') || ' ' || (s ->> 'events')
    FROM pgevents.status() s"; }
  session one "$database"
  session two "$database"
  session three "$database"
  run_in one "BEGIN; SELECT pgevents.publish('c', 't', '1');"
  run_in two "BEGIN; SELECT pgevents.publish('c', 't', '2');"
  run_in three "BEGIN; SELECT count(*) FROM pgevents.log;"
  is "$(counts)" "2 0 0" "two open transactions"
  run_in one "SET CONSTRAINTS ALL IMMEDIATE;"
  send two "COMMIT;"
  is_waiting "$database"
  is "$(counts)" "2 1 0" "one of them waits"
  run_in one "COMMIT;"
  await two
  is "$(counts)" "0 0 2" "both committed"
  run_in one "BEGIN; SELECT pgevents.prune();"
  is "$(counts)" "0 0 2" "pruning does not publish"
}
it "status counts the open transactions that have published, and those that wait at COMMIT" status_counts
