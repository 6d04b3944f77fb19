-- test: a revoked user's tokens are rejected if they were issued before the time, and only then
SELECT pgevents.revoke('10', '2026-07-01 12:00:00.000001+00');
SELECT pg_temp.equal(string_agg(concat_ws(' ', issued, pgevents.token_revoked('10', issued)), ', '),
  '0 t, -1 t, 1782907199999999 t, 1782907200000000 t, 1782907200000001 f, 9000000000000000000 f', 'tokens')
  FROM unnest(ARRAY[0, -1, 1782907199999999, 1782907200000000, 1782907200000001, 9000000000000000000]) issued;
SELECT pg_temp.ok(pgevents.token_revoked('10', NULL), 'a token without iat');
SELECT pg_temp.ok(NOT pgevents.token_revoked('1', 0) AND NOT pgevents.token_revoked('100', 0), 'other users');
SELECT pg_temp.ok(NOT pgevents.token_revoked('', 0) AND NOT pgevents.token_revoked(NULL, 0), 'no user');
SELECT pg_temp.equal(string_agg(r::text, ' '), '(10,1782907200000001)', 'what a listener loads')
  FROM pgevents.revocations() r;

-- test: revoke publishes an event for the servers, in the form that they read, which does not expire
SELECT pgevents.revoke('10', '2026-07-01 12:00:00.000001+00');
SELECT pgevents.revoke(user_id => '11', before => 'infinity');
SELECT pgevents.revoke('11', '-infinity');
SELECT pgevents.disconnect(user_id => 'a "b" \ ü');
SELECT pg_temp.equal(string_agg(concat_ws(' ', id, channel_id, type, data, ttl_ms), E'\n' ORDER BY id),
  concat_ws(E'\n', '2 pgevents.control pgevents.revoked {"user":"10","before_us":1782907200000001}',
    '3 pgevents.control pgevents.revoked {"user":"11","before_us":9223372036854775807}',
    '4 pgevents.control pgevents.revoked {"user":"11","before_us":0}',
    '5 pgevents.control pgevents.disconnect {"user":"a \"b\" \\ ü"}'), 'events') FROM pgevents.log_after(0, 10);
SELECT pg_temp.equal(count(*)::text, '1', 'disconnect revokes nothing, lifted is gone') FROM pgevents.revocations();

-- test: without a time, or with NULL, tokens issued before the COMMIT are rejected, later ones are not
BEGIN;
SELECT pgevents.revoke('10'), pgevents.revoke('11', NULL), pgevents.revoke(user_id => '12', before => NULL);
SELECT pgevents.revoke('13', '-infinity');
SELECT pg_sleep(0.01);
SELECT pgevents.us(clock_timestamp()) AS meanwhile \gset
COMMIT;
SELECT pg_temp.ok(count(*) = 3
  AND bool_and(pgevents.token_revoked(user_id, :meanwhile) AND before_us <= pgevents.us(clock_timestamp())), 'tokens')
  FROM pgevents.revocations();
SELECT pg_temp.equal(string_agg(data ->> 'before_us', ' ' ORDER BY l.id),
  (SELECT string_agg(r.before_us::text, ' ' ORDER BY r.user_id) FROM pgevents.revocations() r) || ' 0',
  'the events agree with the table') FROM pgevents.log l;
SELECT pg_temp.ok(bool_and(revoked_at = before), 'dated') FROM pgevents.revocations;
SELECT pg_temp.ok(NOT pgevents.token_revoked('10', pgevents.us(clock_timestamp())), 'newer');

-- test: of calls with and without a time in one transaction the last one counts, in the table and in the last event
CREATE FUNCTION pg_temp.calls(VARIADIC times text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  start bigint := pgevents.us(clock_timestamp());
  head  bigint := pgevents.head();
  time  text;
  shown text;
BEGIN
  FOREACH time IN ARRAY times LOOP
    PERFORM pgevents.revoke('10', CASE WHEN time <> 'commit' THEN time END::timestamptz);
  END LOOP;
  SET CONSTRAINTS ALL IMMEDIATE;
  SET CONSTRAINTS ALL DEFERRED;
  SELECT string_agg(CASE WHEN us = 0 THEN 'lifted' WHEN us = 9223372036854775807 THEN 'ban' WHEN us >= start
    THEN 'commit' ELSE 'time' END, ' ' ORDER BY id)
    INTO shown FROM (SELECT l.id, (l.data ->> 'before_us')::bigint AS us FROM pgevents.log l WHERE l.id > head UNION ALL
                     SELECT 9e18, coalesce((SELECT r.before_us FROM pgevents.revocations() r), 0)) e;
  RETURN shown;
END $$;
SELECT pg_temp.equal(pg_temp.calls(VARIADIC string_to_array(calls, ' ')), wanted, calls) FROM (VALUES
  ('commit', 'commit commit'), ('commit commit', 'commit commit commit'), ('commit infinity', 'ban ban ban'),
  ('infinity commit', 'ban commit commit'), ('commit -infinity', 'lifted lifted lifted'),
  ('-infinity commit', 'lifted commit commit'),
  ('2026-07-01 commit', 'time commit commit'), ('commit 2026-07-01', 'time time time')) t (calls, wanted);

-- test: the last call for a user counts, even if its time is earlier
SELECT pgevents.revoke('10', 'infinity');
SELECT pgevents.revoke('10', '2026-07-01 12:00+00');
SELECT pg_temp.ok(NOT pgevents.token_revoked('10', 1782907200000000), 'an earlier time lets newer tokens in again');
SELECT pgevents.revoke('10', '2026-07-01 13:00+00');
SELECT pg_temp.ok(pgevents.token_revoked('10', 1782907200000000), 'a later token is not');
UPDATE pgevents.revocations SET revoked_at = '2020-01-01';
SELECT pgevents.revoke('10', '2026-07-01 13:00+00');
SELECT pg_temp.ok(count(*) = 1 AND bool_and(revoked_at > now() - interval '1 minute'),
  'one row, dated by the last call') FROM pgevents.revocations;

-- test: a ban holds for tokens of every time, until it is lifted
SELECT pgevents.revoke('10', 'infinity');
SELECT pg_temp.ok(pgevents.token_revoked('10', 9223372036854775806), 'the latest token that there can be');
SELECT pgevents.revoke('10', '-infinity');
SELECT pg_temp.ok(NOT pgevents.token_revoked('10', 0), 'lifted');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.revocations)::text, '0', 'rows');
SELECT pgevents.revoke('never revoked', '-infinity');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.revocations)::text, '0', 'rows after lifting nothing');

-- test: times outside the servers' range become the nearest end of it
SELECT pgevents.revoke('far', '294276-12-31 23:59:59+00');
SELECT pgevents.revoke('9999', '9999-01-01 00:00+00');
SELECT pgevents.revoke('9998', '9998-12-31 23:59:59+00');
SELECT pgevents.revoke('first', '1970-01-01 00:00:00.000001+00');
SELECT pgevents.revoke('epoch', '1970-01-01 00:00+00');
SELECT pgevents.revoke('stone age', '4000-01-01 00:00+00 BC');
SELECT pg_temp.equal(string_agg(user_id || ' ' || before_us, ', ' ORDER BY user_id COLLATE "C"),
  '9998 253370764799000000, 9999 9223372036854775807, far 9223372036854775807, first 1', 'kept')
  FROM pgevents.revocations();
SELECT pg_temp.equal(string_agg(data::json ->> 'before_us', ' ' ORDER BY id),
  '9223372036854775807 9223372036854775807 253370764799000000 1 0 0', 'events') FROM pgevents.log_after(0, 10);
SELECT pg_temp.ok(pgevents.token_revoked('first', 0)
  AND NOT pgevents.token_revoked('first', 1), 'the earliest time that counts');

-- test: with a future time tokens issued until then are rejected
SELECT pgevents.revoke('10', now() + interval '1 hour');
SELECT pg_temp.ok(pgevents.token_revoked('10', pgevents.us(clock_timestamp())), 'issued now');
SELECT pg_temp.ok(NOT pgevents.token_revoked('10', pgevents.us(now() + interval '61 minutes')), 'issued afterwards');

-- test: one statement revokes many users, and the events come in its order
CREATE TABLE users (id int, banned boolean);
INSERT INTO users SELECT n, n % 2 = 0 FROM generate_series(1, 20000) n;
SELECT pgevents.revoke(id::text) FROM users WHERE banned ORDER BY id::text COLLATE "C";
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.revocations())::text, '10000', 'more than the lock table holds');
SELECT pg_temp.ok(count(*) = 10000 AND bool_and(is_ordered), 'events') FROM (
  SELECT data::json ->> 'user' COLLATE "C" > lag(data::json ->> 'user' COLLATE "C", 1,
  '') OVER (ORDER BY id) AS is_ordered
    FROM pgevents.log_after(0, NULL)) e;
SELECT pg_temp.equal(pgevents.status() ->> 'revocations', '10000', 'status');

-- test: a revocation that is rolled back, also by a savepoint, leaves nothing
SELECT pgevents.revoke('kept', 'infinity');
BEGIN;
SELECT pgevents.revoke('10');
SELECT pgevents.revoke('kept', '-infinity');
SELECT pgevents.disconnect('10');
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT pgevents.revoke('10');
SELECT pgevents.revoke('kept', '-infinity');
SELECT pgevents.disconnect('10');
ROLLBACK TO a;
SELECT pgevents.revoke('11', 'infinity');
COMMIT;
SELECT pg_temp.equal(string_agg(user_id, ' ' ORDER BY user_id), '11 kept', 'users') FROM pgevents.revocations();
SELECT pg_temp.equal(string_agg(data::json ->> 'user', ' ' ORDER BY id), 'kept 11', 'events')
  FROM pgevents.log_after(0, 10);

-- test: calls in one transaction take effect at its end, in their order
BEGIN;
SELECT pgevents.revoke('10', 'infinity');
SELECT pgevents.revoke('10', '-infinity');
SELECT pgevents.publish('c', 't', '1');
SELECT pgevents.revoke('10', '2026-07-01 12:00+00');
SELECT pgevents.disconnect('10');
SELECT pg_temp.equal(count(*)::text, '0', 'before the end') FROM pgevents.log_after(0, 10);
COMMIT;
SELECT pg_temp.equal(string_agg(concat_ws(' ', type, data::json ->> 'before_us'), ', ' ORDER BY id),
  'pgevents.revoked 9223372036854775807, pgevents.revoked 0, t, pgevents.revoked 1782907200000000, pgevents.disconnect',
  'events')
  FROM (SELECT id, type, CASE channel_id WHEN 'c' THEN '{}' ELSE data END AS data FROM pgevents.log_after(0, 10)) e;
SELECT pg_temp.ok(pgevents.token_revoked('10', 1782907199999999) AND NOT pgevents.token_revoked('10', 1782907200000000),
  'the last');

-- test: a trigger of the application may revoke, with rights that its users do not have
CREATE TABLE users (id int PRIMARY KEY, is_active boolean);
INSERT INTO users VALUES (1, true), (2, true);
CREATE FUNCTION put_out() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgevents.revoke(NEW.id::text, CASE WHEN NEW.is_active THEN '-infinity' ELSE 'infinity' END::timestamptz);
  RETURN NULL;
END $$;
CREATE TRIGGER put_out AFTER UPDATE OF is_active ON users FOR EACH ROW EXECUTE FUNCTION put_out();
GRANT UPDATE, SELECT ON users TO pgevents_publisher;
SET ROLE pgevents_publisher;
UPDATE users SET is_active = false;
UPDATE users SET is_active = true WHERE id = 2;
RESET ROLE;
SELECT pg_temp.equal(string_agg(user_id, ' '), '1', 'users') FROM pgevents.revocations();

-- test: an invalid user id is rejected
SELECT pg_temp.fails(format('SELECT pgevents.%s', call), 'PT400', 'Invalid user_id: 1 to 255 bytes',
  '{"code":"BAD_REQUEST"}')
  FROM unnest(ARRAY['revoke(NULL)', 'revoke('''')', 'revoke(E''a\nb'')', 'revoke(E''\x01'')', 'revoke(E''10\x7f'')',
    'revoke(repeat(''x'', 256))', 'revoke(repeat(''é'', 128))', 'revoke(NULL, ''-infinity'')',
    'revoke('''', ''infinity'')',
    'disconnect(NULL)', 'disconnect('''')', 'disconnect(E''a\tb'')', 'disconnect(repeat(''x'', 256))']) call;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.revocations)::text || (SELECT count(*) FROM pgevents.log), '00',
  'nothing came through');

-- test: a user id may be as long and as odd as in a token
SELECT pgevents.revoke(name), pgevents.disconnect(name)
  FROM unnest(ARRAY['x', repeat('x', 255), repeat('é', 127), '*', 'a b', 'o''brien', '{user}', 'user:10',
    'pgevents.', 'ünï', '😀', chr(128)]) name;
SELECT pg_temp.ok(count(*) = 12 AND bool_and(pgevents.token_revoked(user_id, 0)), 'users') FROM pgevents.revocations();
SELECT pg_temp.ok(count(*) = 24
  AND bool_and(EXISTS (SELECT FROM pgevents.revocations r WHERE r.user_id = l.data ->> 'user')), 'events')
  FROM pgevents.log l;

-- test: names are compared as bytes
SELECT pgevents.revoke(name) FROM unnest(ARRAY[U&'\00E9', 'a']) name;
SELECT pg_temp.ok(pgevents.token_revoked(U&'\00E9', 0) AND NOT pgevents.token_revoked(U&'e\0301', 0),
  'composed or not');
SELECT pg_temp.ok(pgevents.token_revoked('a', 0) AND NOT pgevents.token_revoked('A', 0)
  AND NOT pgevents.token_revoked('a ', 0), 'case, space');

-- test: only pgevents itself publishes to its channels or with its types
SELECT pg_temp.fails(format(statement, channel, type), 'PT400', 'reserved', '{"code":"BAD_REQUEST"}')
  FROM (VALUES ('pgevents.control', 't'), ('pgevents.', 't'), ('pgevents.anything', 't'),
  ('pgevents.control', 'pgevents.revoked'),
    ('c', 'pgevents.revoked'), ('c', 'pgevents.disconnect'), ('c', 'pgevents.')) event (channel, type),
    unnest(ARRAY[$$INSERT INTO pgevents.events (channel_id, data) VALUES ('%s', '{"type":"%s","data":{"user":"10","before_us":1}}')$$,
      $$SELECT pgevents.publish('%s', '%s', '{"user":"10"}')$$,
      $$SELECT pgevents.http_publish('{"user":"10"}', '%s', '{"type":"%s","data":{"user":"10"}}', NULL)$$,
      $$SELECT pgevents.http_publish('{"user":"10"}', '%s', '{"type":"%s"}', 'key')$$]) statement;
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"\u0070gevents.revoked"}')$$, 'PT400', 'reserved');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text || (SELECT count(*) FROM pgevents.staging), '00',
  'nothing came through');

-- test: names that only look reserved are allowed
SELECT pgevents.publish(name, name, '1')
  FROM unnest(ARRAY['pgevents', 'pgevents:control', 'Pgevents.control', 'my.pgevents.control', ' pgevents.x']) name;
SELECT pg_temp.equal(count(*)::text, '5', 'events') FROM pgevents.log;

-- test: revocations stay for ever, unless a setting limits how long tokens are valid
SELECT pgevents.revoke('old');
UPDATE pgevents.revocations SET revoked_at = '2000-01-01', before = '2000-01-01';
SELECT pgevents.prune();
SELECT pg_temp.equal(count(*)::text, '1', 'without the setting') FROM pgevents.revocations;
INSERT INTO pgevents.settings VALUES ('revocation_retention', '30 days');
SELECT pg_temp.equal(pgevents.prune()::text, '1', 'removed');
SELECT pg_temp.equal(count(*)::text, '0', 'with it') FROM pgevents.revocations;

-- test: pruning keeps revocations that may still be needed: recent, future, until lifted
INSERT INTO pgevents.settings VALUES ('revocation_retention', '1 day');
INSERT INTO pgevents.revocations (user_id, before, revoked_at) VALUES
  ('settled', now() - interval '2 days', now() - interval '25 hours'),
  ('time passed', now() - interval '25 hours', now() - interval '3 days'),
  ('recent', now() - interval '23 hours', now() - interval '23 hours'),
  ('said again', now() - interval '9 days', now() - interval '23 hours'),
  ('was to come', now() - interval '23 hours', now() - interval '9 days'),
  ('to come', now() + interval '1 hour', now() - interval '9 days'),
  ('banned', 'infinity', now() - interval '9 days');
SELECT pg_temp.equal(pgevents.prune()::text, '2', 'removed');
SELECT pg_temp.equal(string_agg(user_id, ', ' ORDER BY user_id), 'banned, recent, said again, to come, was to come',
  'kept')
  FROM pgevents.revocations();
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '0', 'events');

-- test: revocations are pruned in batches, the oldest first
INSERT INTO pgevents.settings VALUES ('revocation_retention', '1 day');
INSERT INTO pgevents.revocations SELECT n, now() - n * interval '1 week', now() - n * interval '1 week'
  FROM generate_series(1, 10) n;
SELECT pg_temp.equal(pgevents.prune(4)::text, '4', 'first batch');
SELECT pg_temp.equal(string_agg(user_id, ' ' ORDER BY user_id::int), '1 2 3 4 5 6', 'kept') FROM pgevents.revocations;
SELECT pg_temp.equal(pgevents.prune(4)::text || pgevents.prune(4) || pgevents.prune(4), '420', 'the others');

-- test: an unusable retention of revocations is rejected when it is written
SELECT pg_temp.fails($$INSERT INTO pgevents.settings VALUES ('revocation_retention', 'soon')$$, 'PT400',
  'Invalid value "soon" for the setting "revocation_retention": must be an interval');
SELECT pg_temp.fails($$INSERT INTO pgevents.settings VALUES ('revocation_retention', '0')$$, 'PT400',
  'must be an interval greater than 0');
SELECT pg_temp.fails($$INSERT INTO pgevents.settings VALUES ('revocation_retention', '-1 day')$$, 'PT400',
  'must be an interval greater than 0');
