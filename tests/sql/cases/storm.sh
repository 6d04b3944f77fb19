# shellcheck shell=bash disable=SC2154 # work, prefix and others: set by run.sh
# Presence with many sessions at once and slow transactions. Every test that looks for a loss also runs where the loss
# must happen, so that it can fail.

# Thirty users; timings a hundredth of the default, holders whose lease does not expire, and pauses where presence reads
# its timings: before the locks, under those of users, under those of realms, in the sweep, before a state is read.
cat >"$work/storm.sql" <<'E2'
INSERT INTO pgevents.users (user_id) SELECT 'u' || n FROM generate_series(1, 30) n;
UPDATE pgevents.settings s SET value = t.value FROM (VALUES ('presence_ping_interval', '120 ms'),
  ('presence_offline_threshold', '400 ms'),
  ('presence_flush_window', '30 ms'), ('presence_grace', '100 ms'), ('presence_lease', '7 days')) t (name, value)
    WHERE t.name = s.name;
CREATE OR REPLACE FUNCTION pgevents.timing(name text) RETURNS interval LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF random() < 0.02 THEN PERFORM pg_sleep(random() * 0.01); END IF;
  RETURN (SELECT s.value::interval FROM pgevents.settings s WHERE s.name = timing.name);
END $$;

-- Every version of a row in presence.
CREATE TABLE versions AS SELECT * FROM pgevents.presence;
CREATE FUNCTION keep_version() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$ BEGIN
  INSERT INTO versions SELECT NEW.*; RETURN NULL; END $$;
CREATE TRIGGER keep_version AFTER UPDATE ON pgevents.presence FOR EACH ROW EXECUTE FUNCTION keep_version();

-- Connections that are certainly open: from the commit of their report until before the report of leaving. Users 1 to 3
-- are never certain, because they turn presence on and off.
CREATE TABLE open (client int, user_id text, PRIMARY KEY (client, user_id));
CREATE TABLE mistakes (what text);
CREATE FUNCTION check_event() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
  INSERT INTO mistakes SELECT format('event %s: %s is disconnected, but has a connection', NEW.id, o.user_id)
    FROM open o WHERE o.user_id IN (SELECT json_array_elements_text(NEW.data -> 'users'));
  RETURN NULL;
END $$;
CREATE TRIGGER check_event AFTER INSERT ON pgevents.log FOR EACH ROW
  WHEN (NEW.type = 'pgevents.disconnected') EXECUTE FUNCTION check_event();

CREATE FUNCTION some_users(most int) RETURNS text[] LANGUAGE sql AS $$
  SELECT array_agg(u) FROM (SELECT 'u' || n AS u FROM generate_series(1, 30) n ORDER BY random()
    LIMIT 1 + random() * (most - 1)) s
$$;

-- One session: it connects, leaves and reports at random, for one and for several users in any order, closes its holder
-- as at a reload, and ticks.
CREATE PROCEDURE play(client int, rounds int) LANGUAGE plpgsql AS $$
DECLARE
  holder bigint := pgevents.holder_open();
  people text[];
  act    float;
BEGIN
  FOR i IN 1..rounds LOOP
    act := random();
    people := some_users(4);
    IF act < 0.3 THEN
      PERFORM pgevents.presence_contacts(holder, (SELECT jsonb_agg(jsonb_build_object('realm', 'main', 'user', p))
        FROM unnest(people) p));
      COMMIT;
      INSERT INTO open SELECT client, p FROM unnest(people) p WHERE p NOT IN ('u1', 'u2', 'u3') ON CONFLICT DO NOTHING;
    ELSIF act < 0.55 THEN
      people := some_users(12);
      DELETE FROM open o WHERE o.client = play.client AND o.user_id = ANY (people);
      COMMIT;
      PERFORM pgevents.presence_contacts(holder, (SELECT jsonb_agg(jsonb_build_object('realm', 'main', 'user', p, 'left', true))
        FROM unnest(people) p));
    ELSIF act < 0.75 THEN
      PERFORM pgevents.http_report_presence(jsonb_build_object('user', people[1]),
        jsonb_build_object('status', CASE WHEN random() < 0.5 THEN 'active' ELSE 'idle' END,
        'ping_only', random() < 0.5));
    ELSIF act < 0.85 THEN
      PERFORM pgevents.http_report_presence_many((
        SELECT jsonb_agg(jsonb_build_object('identity', jsonb_build_object('user', p),
        'params', jsonb_build_object('status', CASE WHEN random() < 0.5 THEN 'active' ELSE 'idle' END,
        'ping_only', true))) FROM unnest(people) p));
    ELSIF act < 0.9 THEN
      PERFORM pgevents.http_settings(jsonb_build_object('user', 'u' || 1 + floor(random() * 3)),
        jsonb_build_object('presence_enabled', random() < 0.5));
    ELSIF act < 0.92 THEN
      DELETE FROM open o WHERE o.client = play.client;
      COMMIT;
      PERFORM pgevents.holder_close(holder);
      COMMIT;
      holder := pgevents.holder_open();
    ELSE
      PERFORM pgevents.presence_tick();
    END IF;
    COMMIT;
    DELETE FROM open o WHERE o.user_id IN ('u1', 'u2', 'u3');
    COMMIT;
    PERFORM pg_sleep(random() * 0.02);
  END LOOP;
END $$;

-- Waits until the table has a row.
CREATE TABLE finished (at timestamptz DEFAULT now());

-- Pages that register meanwhile: the state they get. The control reads the cursor after the state.
CREATE TABLE pages (page bigserial, cursor bigint, state jsonb);
CREATE PROCEDURE open_pages(turned boolean) LANGUAGE plpgsql AS $$
DECLARE
  answer jsonb;
BEGIN
  WHILE NOT EXISTS (SELECT FROM finished) LOOP
    answer := pgevents.http_register('{"user":"u30"}', '{}');
    IF turned THEN
      PERFORM pg_sleep(0.05);
      answer := jsonb_set(answer, '{last_event_id}', to_jsonb(pgevents.head()::text));
    END IF;
    INSERT INTO pages (cursor, state) VALUES ((answer ->> 'last_event_id')::bigint, answer);
    COMMIT;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$;

-- Waits until everything that is over has been swept, and every change published.
CREATE PROCEDURE settle() LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..20 LOOP
    PERFORM pg_sleep(0.03), pgevents.presence_tick();
    COMMIT;
  END LOOP;
END $$;

-- What each page knows in the end: the last event after its cursor, otherwise its first state.
CREATE VIEW said AS
  SELECT l.id, l.type, coalesce(e.value #>> '{}', p.key) AS user_id, (p.value ->> 'active_timestamp')::bigint AS active,
    (p.value ->> 'idle_timestamp')::bigint AS idle
    FROM pgevents.log l
    LEFT JOIN LATERAL json_array_elements(l.data -> 'users') e ON true
    LEFT JOIN LATERAL json_each(l.data -> 'presences') p ON true
   WHERE l.channel_id = 'presence:main';
CREATE VIEW known AS
  SELECT g.page, u.user_id,
    coalesce(c.type = 'pgevents.connected', g.state -> 'presence_connected' ? u.user_id) AS is_connected,
         coalesce(t.idle, (g.state #>> ARRAY['presences', u.user_id, 'idle_timestamp'])::bigint) AS idle,
         coalesce(t.active, (g.state #>> ARRAY['presences', u.user_id, 'active_timestamp'])::bigint) AS active
    FROM pages g CROSS JOIN pgevents.users u
    LEFT JOIN LATERAL (SELECT * FROM said s WHERE s.id > g.cursor AND s.user_id = u.user_id AND s.type <> 'presence'
      ORDER BY s.id DESC LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT * FROM said s WHERE s.id > g.cursor AND s.user_id = u.user_id AND s.type = 'presence'
      ORDER BY s.id DESC LIMIT 1) t ON true;
-- Where that differs from the tables. Not every new time is published: the page's time must be one that the row had
-- since the last time that had to be published.
CREATE VIEW differences AS
  SELECT k.* FROM known k LEFT JOIN pgevents.presence p ON p.realm = 'main' AND p.user_id = k.user_id
   WHERE k.is_connected <> coalesce(p.is_connected, false)
      OR (p.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM versions v WHERE v.user_id = k.user_id
        AND v.update_id >= p.times_id
            AND pgevents.epoch(v.idle_at) = k.idle AND coalesce(pgevents.epoch(v.active_at) = k.active, true)));
E2

# storm DATABASE ROUNDS TURNED: 16 sessions and pages; afterwards every change has been published
storm() {
  local client pids=() pid pages
  q "$1" "INSERT INTO pages (cursor, state) VALUES (1, pgevents.http_register('{\"user\":\"u30\"}', '{}'))"
  q "$1" "CALL open_pages($3)" >"$work/pages.out" 2>&1 &
  pages=$!
  for ((client = 1; client <= 16; client++)); do
    q "$1" "CALL play($client, $2)" >"$work/play.$client" 2>&1 &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || fail "$(cat "$work"/play.* | head -n 5)"; done
  q "$1" "INSERT INTO finished DEFAULT VALUES"
  wait "$pages" || fail "$(cat "$work/pages.out")"
  q "$1" "CALL settle()"
}

presence_storm() {
  local database attempt disconnected=0
  # How many users stay away for longer than the grace time depends on the machine.
  for ((attempt = 0; attempt < 5 && disconnected <= 10; attempt++)); do
    fresh_database database
    sql -d "$database" -f "$work/storm.sql"
    storm "$database" 80 false
    disconnected=$(q "$database" "SELECT count(*) FROM said WHERE type = 'pgevents.disconnected'")
  done
  ((disconnected > 10)) || fail "too few were disconnected to prove anything: $disconnected"
  (($(q "$database" "SELECT count(*) FROM versions") > 300 && $(q "$database" "SELECT count(*) FROM pages") > 50)) ||
    fail "too little happened to prove anything"
  is "$(q "$database" "SELECT string_agg(what, ', ') FROM mistakes")" \
    "" "events that report a connected user as disconnected"
  is "$(q "$database" "SELECT count(*) FROM pgevents.presence_realms WHERE is_dirty")" 0 "realms with something untold"
  is "$(q "$database" "SELECT string_agg(d::text, ' ') FROM (SELECT * FROM differences LIMIT 5) d")" \
    "" "where pages are wrong"
  is "$(q "$database" "SELECT string_agg(p.user_id, ' ') FROM pgevents.presence p
    JOIN pgevents.users u USING (realm, user_id)
    WHERE p.is_connected <> (u.presence_enabled AND EXISTS (SELECT FROM pgevents.connections c
      WHERE c.user_id = p.user_id))")" "" \
    "users whose row says something else than their connections"
  is "$(q "$database" "SELECT string_agg(user_id, ' ') FROM open WHERE user_id NOT IN
    (SELECT user_id FROM pgevents.presence WHERE is_connected)")" "" "users who are connected, and are not said to be"
  is "$(q "$database" "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")" 0 "deadlocks"
}
it "after a storm of connections, reports and switches every page knows the state, without false disconnects" \
  presence_storm

# storm_without SQL TURNED: sets `mistakes`: the number of errors in the same storm without a safeguard
storm_without() {
  local database
  fresh_database database
  sql -d "$database" -f "$work/storm.sql" -c "$1"
  storm "$database" 60 "$2"
  mistakes=$(q "$database" "SELECT (SELECT count(*) FROM mistakes) + (SELECT count(*) FROM differences)")
}

no_realm_locks="CREATE OR REPLACE FUNCTION pgevents.presence_lock_realms(realms text[]) RETURNS void
  LANGUAGE sql AS 'SELECT';
  INSERT INTO pgevents.presence_realms (realm) VALUES ('main')"

# The race is not lost every time.
goes_wrong() {
  local mistakes
  for _ in 1 2 3 4 5 6 7 8; do
    storm_without "$@"
    ((mistakes == 0)) || return 0
  done
  return 1
}

storm_controls() {
  goes_wrong "$no_realm_locks" false || fail "without the realms' locks nothing went wrong: the storm proves nothing"
  goes_wrong "SELECT" true || fail "where pages read the state before the cursor nothing went wrong: they prove nothing"
}
it "in the same storm without the realms' locks, or with the cursor read after the state, errors appear" storm_controls

# Reports that take up to 20 ms to commit; one in ten is rolled back.
cat >"$work/report.sql" <<'E2'
\set user random(1, 2000)
\set pause random(0, 20)
\set fate random(1, 10)
BEGIN;
SELECT pgevents.presence_report(jsonb_build_array(
  jsonb_build_object('realm', 'main', 'user', 'u' || :user, 'status', 'active')));
\sleep :pause ms
\if :fate = 1
ROLLBACK;
\else
COMMIT;
\endif
E2

# incremental DATABASE: how many rows a reader has missed that always asks for rows behind the last update id it has
# seen
incremental() {
  local reader
  q "$1" "INSERT INTO pgevents.users (user_id) SELECT 'u' || n FROM generate_series(1, 2000) n;
    UPDATE pgevents.settings SET value = '12 ms' WHERE name = 'presence_ping_interval';
    CREATE TABLE got (user_id text, update_id bigint);
    CREATE TABLE finished ();
    CREATE PROCEDURE read() LANGUAGE plpgsql AS \$\$
    DECLARE
      last bigint := 0;
      is_last boolean;
    BEGIN
      LOOP
        is_last := EXISTS (SELECT FROM finished);
        INSERT INTO got SELECT user_id, update_id FROM pgevents.presence_since('main', last);
        SELECT coalesce(max(update_id), 0) INTO last FROM got;
        COMMIT;
        EXIT WHEN is_last;
      END LOOP;
    END \$\$; CREATE INDEX ON got (update_id)"
  q "$1" "CALL read()" >"$work/read.out" 2>&1 &
  reader=$!
  pgbench -n -c 20 -j 1 -t 20 -f "$work/report.sql" "$1" >"$work/pgbench.out" 2>&1 ||
    fail "$(head -n 5 "$work/pgbench.out")"
  q "$1" "INSERT INTO finished DEFAULT VALUES"
  wait "$reader" || fail "$(cat "$work/read.out")"
  q "$1" "SELECT count(*) FROM pgevents.presence LEFT JOIN got USING (user_id, update_id) WHERE got IS NULL"
}

incremental_reader() {
  local database
  fresh_database database
  is "$(incremental "$database")" 0 "rows missed"
  fresh_database database
  q "$database" "$no_realm_locks"
  (($(incremental "$database") > 0)) ||
    fail "the control without the realms' locks missed nothing: this test proves nothing"
}
it "an incremental reader misses no row of 20 reporters, but some without the realms' locks" incremental_reader
