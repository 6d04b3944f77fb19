# shellcheck shell=bash disable=SC2154 # work and others: set by run.sh
# The last event about a row equals the row, if each event is built under the row's lock (docs/sql.md, section 2).

# What the documentation recommends; $1: the row's id.
under_lock() {
  echo "WITH r AS (SELECT * FROM resources WHERE id = $1 FOR UPDATE)
    SELECT pgevents.publish('row:' || id, 'state', to_json(r)) FROM r;"
}
with_update() {
  echo "WITH r AS (UPDATE resources SET n = n + 1 WHERE id = $1 RETURNING *)
    SELECT pgevents.publish('row:' || id, 'state', to_json(r)) FROM r;"
}
# As a mapper does: the row is locked since the UPDATE.
after_update() {
  echo "UPDATE resources SET n = n + 1 WHERE id = $1;
    INSERT INTO pgevents.outbox (channel_id, type, data) SELECT 'row:' || id, 'state', to_json(r) FROM resources r
      WHERE id = $1 RETURNING 'key';"
}

resources() {
  fresh_database database
  q "$database" "CREATE TABLE resources (id int PRIMARY KEY, n int); INSERT INTO resources SELECT id, 0 FROM generate_series(1, 6) id;
    SELECT pgevents.watch('resources', channel => 'watched:{id}', columns => '{id,n}')" >/dev/null
}

# differing DATABASE CHANNEL PATH: the rows whose last event on the channel has another state
differing() {
  q "$1" "SELECT string_agg(format('%s is %s, last event %s', id, n, last), ', ' ORDER BY id) FROM (
    SELECT r.id, r.n, (SELECT l.data #>> '$3' FROM pgevents.log l WHERE l.channel_id = '$2' || r.id ORDER BY l.id DESC LIMIT 1)
      AS last FROM resources r) l WHERE n > 0 AND last IS DISTINCT FROM n::text"
}

# race_with STATEMENTS: one transaction publishes the row by these and is slow to commit, another one changes it. Sets
# $differences.
race_with() {
  local database
  resources
  session slow "$database"
  session fast "$database"
  run_in slow "BEGIN; $1"
  send fast "BEGIN; $(with_update 1) COMMIT;"
  # The second one waits, or has committed.
  wait_for "$database" t "SELECT coalesce(bool_or(wait_event_type = 'Lock'), false) OR (SELECT n FROM resources WHERE id = 1) = 1
    FROM pg_stat_activity WHERE datname = current_database()"
  run_in slow "COMMIT;"
  await fast
  close_session slow
  close_session fast
  differences="$(differing "$database" row: '{n}')|$(differing "$database" watched: '{new,n}')"
}

locked() {
  local form differences
  for form in under_lock with_update after_update; do
    race_with "$("$form" 1)"
    is "$differences" "|" "$form"
  done
  # The control: a row that was read without its lock.
  race_with "SELECT pgevents.publish('row:' || id, 'state', to_json(r)) FROM resources r WHERE id = 1;"
  is "$differences" "1 is 1, last event 0|" "without the lock"
}
it "the last event about a row equals the row if it was built under the row's lock, and may not otherwise" locked

# The other thing that the documentation warns of.
called_before_the_lock() {
  local database
  resources
  session other "$database"
  session publisher "$database"
  run_in other "BEGIN; UPDATE resources SET n = 1 WHERE id = 1;"
  send publisher "SELECT pgevents.publish('row:' || id, 'state', to_json(r)) FROM resources r WHERE id = 1 FOR UPDATE;"
  is_waiting "$database"
  run_in other "COMMIT;"
  await publisher
  is "$(q "$database" "SELECT string_agg(data ->> 'n', ' ' ORDER BY id) FROM pgevents.log WHERE type = 'state'")" "0 1" "events"
}
it "a function in a statement that locks is called for the row before the lock, too, as documented" called_before_the_lock

at_once() {
  local database form publishers
  resources
  for form in under_lock with_update after_update; do
    printf '\\set row random(1, 6)\nBEGIN;\n%s\nCOMMIT;\n' "$("$form" :row)" >"$work/$form.sql"
  done
  pgbench -n -c 30 -j 2 -T 4 -f "$work/under_lock.sql" -f "$work/with_update.sql" -f "$work/after_update.sql" "$database" \
    >"$work/pgbench.out" 2>&1 &
  publishers=$!
  kill_sequencers "$database" 4
  wait "$publishers" || fail "publishers: $(tail -n 5 "$work/pgbench.out")"
  settle "$database"
  (($(q "$database" "SELECT min(n) FROM resources") > 10)) || fail "too few changes: $(cat "$work/pgbench.out")"
  is "$(differing "$database" row: '{n}')" "" "rows and events"
  is "$(differing "$database" watched: '{new,n}')" "" "rows and events of the watch"
  is "$(q "$database" "SELECT count(*) FROM (SELECT (data #>> '{n}')::int AS n, lag((data #>> '{n}')::int)
    OVER (PARTITION BY channel_id ORDER BY id) AS before FROM pgevents.log WHERE type = 'state') l WHERE n < before")" \
    0 "events that go back"
}
it "the last event about a row equals the row while thirty publishers change it, in each of the documented ways" at_once
