-- test: a publisher alone inserts into the outbox and gets back what it inserted, with a key
SET ROLE pgevents_publisher;
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 'sold', '{"pieces":92}') RETURNING * \gset
SELECT pg_temp.equal(:ROW_COUNT::text, '1', 'rows reported');
SELECT pg_temp.ok(:'outbox_id' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$', 'a random key');
SELECT pg_temp.equal(:'channel_id' || ' ' || :'type' || ' ' || :'data', 'c sold {"pieces":92}', 'the row');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.outbox)::text, '0', 'the view shows nothing');
RESET ROLE;
SELECT pg_temp.equal(string_agg(concat_ws(' ', id, channel_id, type, data, expires_at), ' '), '2 c sold {"pieces":92}',
  'the event') FROM pgevents.log;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.outbox)::text, '0', 'the view shows nothing to its owner either');

-- test: every form in which drivers and object-relational mappers insert into the outbox is accepted
CREATE TEMP TABLE forms (id int GENERATED ALWAYS AS IDENTITY, statement text, wanted text);
GRANT SELECT ON forms TO PUBLIC;
INSERT INTO forms (statement, wanted) VALUES
  -- only what is needed; DEFAULT; NULL for every column that was left out
  ('INSERT INTO pgevents.outbox (channel_id, type) VALUES (''c'', ''t'')', 'c t null'),
  ('INSERT INTO pgevents.outbox VALUES (DEFAULT, ''c'', ''t'', DEFAULT, DEFAULT) RETURNING outbox_id', 'c t null'),
  ('INSERT INTO pgevents.outbox VALUES (NULL, ''c'', ''t'', NULL, NULL) RETURNING outbox_id', 'c t null'),
  -- a key of the application's own, also one that was given before: nothing remembers it
  ('INSERT INTO pgevents.outbox (outbox_id, channel_id, type) VALUES (''00000000-0000-4000-8000-000000000001'', ''c'',
    ''t'')', 'c t null'),
  ('INSERT INTO pgevents.outbox (outbox_id, channel_id, type) VALUES (''00000000-0000-4000-8000-000000000001'', ''c'',
    ''t'') RETURNING "outbox"."outbox_id"', 'c t null'),
  ('INSERT INTO pgevents.outbox AS o (channel_id, type) VALUES (''c'', ''t'') RETURNING o.outbox_id AS "o.outbox_id"',
    'c t null'),
  ('INSERT INTO pgevents.outbox (channel_id, type) VALUES (''c'', ''t'') ON CONFLICT DO NOTHING RETURNING outbox_id',
    'c t null'),
  -- data as text of no type, json, jsonb; NULL, and the null of JSON
  ('INSERT INTO pgevents.outbox (channel_id, type, data) VALUES (''c'', ''t'', ''{"b":1,  "a":1.0}'')',
    'c t {"b":1,  "a":1.0}'),
  ('INSERT INTO pgevents.outbox (channel_id, type, data) VALUES (''c'', ''t'', ''"\u0000"''::json)', 'c t "\u0000"'),
  ('INSERT INTO pgevents.outbox (channel_id, type, data) VALUES (''c'', ''t'', ''{"b":1,  "a":1.0}''::jsonb)',
    'c t {"a": 1.0, "b": 1}'),
  ('INSERT INTO pgevents.outbox (channel_id, type, data) VALUES (''c'', ''t'', to_json(7))', 'c t 7'),
  ('INSERT INTO pgevents.outbox (channel_id, type, data) VALUES (''c'', ''t'', ''null'')', 'c t null'),
  -- names as other string types, the expiry as time with and without zone, and as text
  ('INSERT INTO pgevents.outbox (channel_id, type) VALUES (''c''::varchar, ''t''::name)', 'c t null'),
  ('INSERT INTO pgevents.outbox (channel_id, type, expires_at) VALUES (''c'', ''t'', timestamptz
    ''2100-01-01 01:00+01'')', 'c t null 2100-01-01 00:00:00'),
  ('INSERT INTO pgevents.outbox (channel_id, type, expires_at) VALUES (''c'', ''t'', timestamp ''2100-01-01 05:45'')',
    'c t null 2100-01-01 00:00:00'),
  ('INSERT INTO pgevents.outbox (channel_id, type, expires_at) VALUES (''c'', ''t'', ''2100-01-01T00:00:00Z'')',
    'c t null 2100-01-01 00:00:00'),
  -- several rows, a query, a statement inside another one
  ('INSERT INTO pgevents.outbox (channel_id, type) VALUES (''c'', ''t''), (''d'', ''u'') RETURNING outbox_id',
    'c t null, d u null'),
  ('INSERT INTO pgevents.outbox (channel_id, type, data) SELECT ''c'', ''t'', to_json(n) FROM generate_series(1, 3) n',
    'c t 1, c t 2, c t 3'),
  ('WITH made AS (INSERT INTO pgevents.outbox (channel_id, type) VALUES (''c'', ''t'') RETURNING *)
    SELECT outbox_id FROM made', 'c t null');
SET TimeZone = 'Asia/Kathmandu';
SET ROLE pgevents_publisher;
DO $$
DECLARE
  form forms;
BEGIN
  FOR form IN SELECT * FROM forms ORDER BY id LOOP
    EXECUTE form.statement;
  END LOOP;
END $$;
RESET ROLE;
SELECT pg_temp.equal(string_agg(concat_ws(' ', channel_id, type, data, expires_at AT TIME ZONE 'UTC'), ', ' ORDER BY id),
  (SELECT string_agg(wanted, ', ' ORDER BY id) FROM forms), 'events, in the order of the statements') FROM pgevents.log;

-- test: prepared statements and COPY insert into the outbox
SET ROLE pgevents_publisher;
PREPARE untyped AS INSERT INTO pgevents.outbox (channel_id, type, data, expires_at) VALUES ($1, $2, $3, $4) RETURNING *;
PREPARE typed (uuid, text, varchar, jsonb) AS
  INSERT INTO pgevents.outbox (outbox_id, channel_id, type, data) VALUES ($1, $2, $3, $4) RETURNING outbox_id;
EXECUTE untyped ('c', 't', '1', NULL);
EXECUTE typed (NULL, 'c', 't', '2');
EXECUTE typed ('00000000-0000-4000-8000-000000000001', 'c', 't', '3') \gset
SELECT pg_temp.equal(:'outbox_id', '00000000-0000-4000-8000-000000000001', 'the application''s key');
COPY pgevents.outbox (channel_id, type, data) FROM STDIN;
c	t	4
c	t	\N
\.
RESET ROLE;
SELECT pg_temp.equal(string_agg(data::text, ' ' ORDER BY id), '1 2 3 4 null', 'events') FROM pgevents.log;

-- test: what the outbox cannot do is an error, and publishes nothing
SET ROLE pgevents_publisher;
SELECT pg_temp.fails('INSERT INTO pgevents.outbox ' || statement, state, message) FROM (VALUES
  ('(channel_id) VALUES (''c'')', 'PT400', 'Invalid event type'),
  ('(type) VALUES (''t'')', 'PT400', 'Invalid channel name'),
  ('(channel_id, type) VALUES (''c'', '''')', 'PT400', 'Invalid event type'),
  ('(channel_id, type) VALUES (repeat(''c'', 256), ''t'')', 'PT400', 'Invalid channel name'),
  ('(channel_id, type) VALUES (''pgevents.control'', ''t'')', 'PT400', 'reserved'),
  ('(channel_id, type) VALUES (''c'', ''pgevents.revoked'')', 'PT400', 'reserved'),
  ('(channel_id, type) VALUES (''c'', ''error'')', 'PT400', 'reserved'),
  ('(channel_id, type, expires_at) VALUES (''c'', ''t'', ''infinity'')', 'PT400', 'expiry'),
  ('(channel_id, type, data) VALUES (''c'', ''t'', ''{'')', '22P02', 'invalid input syntax'),
  ('(channel_id, type, data) VALUES (''c'', ''t'', ''1''::text)', '42804', 'is of type json but expression is of type text'),
  ('(outbox_id, channel_id, type) VALUES (''1'', ''c'', ''t'')', '22P02', 'invalid input syntax for type uuid'),
  ('(channel_id, type) VALUES (''c'', ''t''), (''c'', NULL)', 'PT400', 'Invalid event type'),
  ('(channel_id, type) VALUES (''c'', ''t'') ON CONFLICT (outbox_id) DO NOTHING', '42P10', 'no unique'),
  -- PostgreSQL 13 looks for the constraint first.
  ('(channel_id, type) VALUES (''c'', ''t'') ON CONFLICT (outbox_id) DO UPDATE SET type = ''u''',
    CASE WHEN current_setting('server_version_num')::int < 140000 THEN '42P10' ELSE '42501' END, '')) e (statement, state, message);
SELECT pg_temp.fails('UPDATE pgevents.outbox SET type = ''u''', '42501', 'permission denied');
SELECT pg_temp.fails('DELETE FROM pgevents.outbox', '42501', 'permission denied');
RESET ROLE;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text || (SELECT count(*) FROM pgevents.staging), '00', 'events');

-- test: the outbox, the view events and publish() are one path: savepoints and order hold over all three
SET ROLE pgevents_publisher;
BEGIN;
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 't', '1') RETURNING outbox_id;
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t","data":2}');
SAVEPOINT a;
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 't', '3');
ROLLBACK TO a;
SELECT pgevents.publish('c', 't', '4');
SAVEPOINT b;
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 't', '5');
RELEASE b;
COMMIT;
BEGIN;
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 't', '6');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 't', '7'), ('c', 't', '8');
COMMIT;
RESET ROLE;
SELECT pg_temp.equal(string_agg(id || ':' || data, ' ' ORDER BY id), '2:1 3:2 4:4 5:5 6:7 7:8', 'events') FROM pgevents.log;

-- test: publish() takes json, jsonb and text, a literal, a parameter without a type, and no data
SET ROLE pgevents_publisher;
SELECT pgevents.publish('c', 't', '{"b":1,  "a":"\u0000"}');
SELECT pgevents.publish('c', 't', '{"b":1,  "a":1}'::json);
SELECT pgevents.publish('c', 't', jsonb_build_object('b', 1, 'a', 1));
SELECT pgevents.publish('c', 't', '{"b":1,  "a":1}'::varchar);
SELECT pgevents.publish('c', 't');
SELECT pgevents.publish('c', 't', NULL), pgevents.publish('c', 't', NULL::jsonb), pgevents.publish('c', 't', NULL::json);
SELECT pgevents.publish('c', 't', ttl => '1 hour'), pgevents.publish('c', 't', '7'::jsonb, '1 hour');
SELECT pgevents.publish(channel => 'c', type => 't', data => '8', ttl => NULL);
PREPARE untyped AS SELECT pgevents.publish($1, $2, $3, $4);
EXECUTE untyped ('c', 't', '9', '1 hour');
RESET ROLE;
SELECT pg_temp.equal(string_agg(data::text, ' ' ORDER BY id), '{"b":1,  "a":"\u0000"} {"b":1,  "a":1} {"a": 1, "b": 1} '
  '{"b":1,  "a":1} null null null null null 7 8 9', 'data') FROM pgevents.log;
SELECT pg_temp.equal(string_agg((id - 1)::text, ' ' ORDER BY id), '9 10 12', 'events that expire')
  FROM pgevents.log WHERE expires_at > now() + interval '59 minutes';
SELECT pg_temp.fails('SELECT pgevents.publish(''c'', ''t'', ''{'')', '22P02', 'invalid input syntax for type json');
SELECT pg_temp.fails('SELECT pgevents.publish(''c'', ''t'', 5)', '42883', 'does not exist');
SELECT pg_temp.fails(format('SELECT pgevents.publish(''c'', NULL, ''1''::%s)', type), 'PT400', 'Invalid event type')
  FROM unnest(ARRAY['json', 'jsonb', 'text']) type;
