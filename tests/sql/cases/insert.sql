-- test: one row inserted into the view is one event, with type and inner data in columns
INSERT INTO pgevents.events (channel_id, data)
  VALUES ('cheese', '{"type":"cheese_created","data":{"pieces":92,"cheese_type":"Gruyère"}}');
SELECT pg_temp.equal(:ROW_COUNT::text, '1', 'the statement reports one row');
SELECT pg_temp.equal(row(l.id, l.channel_id, l.type, l.data, l.expires_at)::text,
  '(2,cheese,cheese_created,"{""pieces"":92,""cheese_type"":""Gruyère""}",)', 'row in the log') FROM pgevents.log l;
SELECT pg_temp.equal(data::text,
  '{"type" : "cheese_created", "data" : {"pieces":92,"cheese_type":"Gruyère"}}', 'the view shows it whole')
  FROM pgevents.events WHERE channel_id = 'cheese' AND id > 1;
SELECT pg_temp.ok(abs(extract(epoch FROM clock_timestamp() - ts)) < 60, 'ts is the present') FROM pgevents.events;

-- test: insert into events works with the schema on the search_path
SET search_path = pgevents, public;
INSERT INTO events (channel_id, data) VALUES ('cheese', '{"type":"a","data":1}');
SELECT pg_temp.equal(:ROW_COUNT::text, '1', 'the statement reports one row');
SELECT pg_temp.equal((SELECT count(*) FROM events)::text, '1', 'one event');

-- test: a statement with several rows makes several events, in its order
INSERT INTO pgevents.events (channel_id, data)
  VALUES ('b', '{"type":"t","data":1}'), ('a', '{"type":"t","data":2}'), ('b', '{"type":"t","data":3}');
SELECT pg_temp.equal(:ROW_COUNT::text, '3', 'the statement reports three rows');
SELECT pg_temp.equal(string_agg(id || channel_id || data::text, ' ' ORDER BY id), '2b1 3a2 4b3', 'ids')
  FROM pgevents.log;

-- test: rows selected from a table become events
INSERT INTO pgevents.events (channel_id, data)
  SELECT 'n', jsonb_build_object('type', 't', 'data', n) FROM generate_series(1, 1000) n;
SELECT pg_temp.equal(:ROW_COUNT::text, '1000', 'rows reported');
SELECT pg_temp.ok(bool_and(data::text::int = id - 1), 'the order is kept') FROM pgevents.log;

-- test: COPY publishes
COPY pgevents.events (channel_id, data) FROM STDIN;
cheese	{"type":"t","data":"one"}
cheese	{"type":"t","data":"two"}
\.
SELECT pg_temp.equal(string_agg(data::text, ' ' ORDER BY id), '"one" "two"', 'both') FROM pgevents.log;

-- test: a prepared statement with text parameters publishes, as drivers send it
PREPARE publish (text, json) AS INSERT INTO pgevents.events (channel_id, data) VALUES ($1, $2);
EXECUTE publish ('cheese', '{"type":"t","data":1}');
SELECT pg_temp.equal(count(*)::text, '1', 'one event') FROM pgevents.log;

-- test: an insert through the view may name an expiry
INSERT INTO pgevents.events (channel_id, data, expires_at) VALUES ('c', '{"type":"t"}', '2100-01-01 00:00:00+00');
SELECT pg_temp.equal(expires_at::timestamptz(0)::text, timestamptz '2100-01-01 00:00:00+00'::text, 'kept')
  FROM pgevents.events;

-- test: publish() takes type and data as separate arguments, and a time to live
SELECT pgevents.publish('c', 't', '{"a":1}');
SELECT pgevents.publish('c', 't', NULL, ttl => interval '1 hour');
SELECT pg_temp.equal(string_agg(data::text, ' ' ORDER BY id), '{"a":1} null', 'data') FROM pgevents.log;
SELECT pg_temp.ok(ttl_ms BETWEEN 3590000 AND 3600000, 'ttl in milliseconds') FROM pgevents.log_after(2, 1);

-- test: absent or null data is null
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t"}'), ('c', '{"type":"t","data":null}');
SELECT pg_temp.equal(string_agg(data, ' '), 'null null', 'inner data') FROM pgevents.log_after(0, 10);

-- test: a wrong event is rejected with PT400 and a clear message
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '[]')$$,
  'PT400', 'must be a JSON object with a string member "type"', '{"code":"BAD_REQUEST"}');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '"type"')$$, 'PT400', 'JSON object');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', NULL)$$, 'PT400', 'JSON object');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id) VALUES ('c')$$, 'PT400', 'JSON object');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"data":1}')$$, 'PT400',
  'string member "type"');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":1}')$$, 'PT400',
  'string member "type"');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":null}')$$, 'PT400',
  'string member "type"');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":""}')$$, 'PT400',
  'Invalid event type');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"a\nb"}')$$, 'PT400',
  'Invalid event type');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"a\u0000"}')$$, 'PT400',
  'Invalid event type');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"a\ud800"}')$$, 'PT400',
  'Invalid event type');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"a\u007f"}')$$, 'PT400',
  'Invalid event type');
SELECT pg_temp.fails(format($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"%s"}')$$,
  repeat('é', 128)),
  'PT400', 'Invalid event type');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"pgevents.reset"}')$$,
  'PT400', 'reserved');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES (NULL, '{"type":"t"}')$$, 'PT400',
  'Invalid channel name');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('', '{"type":"t"}')$$, 'PT400',
  'Invalid channel name');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES (E'a\tb', '{"type":"t"}')$$, 'PT400',
  'Invalid channel name');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES (E'a\x7f', '{"type":"t"}')$$, 'PT400',
  'Invalid channel name');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES (repeat('x', 256), '{"type":"t"}')$$,
  'PT400', 'Invalid channel name');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t"')$$, '22P02',
  'invalid input syntax for type json');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data, expires_at) VALUES ('c', '{"type":"t"}', 'infinity')$$, 'PT400', 'expiry');
SELECT pg_temp.fails($$SELECT pgevents.publish('c', 't', '1', '0 seconds')$$, 'PT400', 'Invalid ttl',
  '{"code":"BAD_REQUEST"}');
SELECT pg_temp.fails($$SELECT pgevents.publish('c', NULL, '1')$$, 'PT400', 'Invalid event type');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text || (SELECT count(*) FROM pgevents.staging), '00',
  'nothing came through');

-- test: names of 1 and of 255 bytes, with any other character, are accepted
SELECT pgevents.publish('x', 'y', '1');
SELECT pgevents.publish(repeat('é', 127) || 'x', repeat('€', 85), '1');
SELECT pgevents.publish('a b,c/d"e\', '{"u2028":"' || chr(8232) || '"}', '1');
SELECT pg_temp.equal(count(*)::text, '3', 'events') FROM pgevents.log;

-- test: a publisher cannot choose id and ts
SELECT pg_temp.fails($$INSERT INTO pgevents.events (id, channel_id, data) VALUES (7, 'c', '{"type":"t"}')$$, 'PT400',
  'given at COMMIT');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (ts, channel_id, data) VALUES (now(), 'c', '{"type":"t"}')$$,
  'PT400', 'given at COMMIT');
INSERT INTO pgevents.events (id, channel_id, ts, data) VALUES (DEFAULT, 'c', NULL, '{"type":"t"}');
SELECT pg_temp.equal(count(*)::text, '1', 'NULL and DEFAULT are left out') FROM pgevents.log;

-- test: events can be neither changed nor deleted through the view
SELECT pgevents.publish('c', 't', '1');
SELECT pg_temp.fails('UPDATE pgevents.events SET channel_id = ''d''', 'PT405', 'cannot be changed',
  '{"code":"METHOD_NOT_ALLOWED"}');
SELECT pg_temp.fails('DELETE FROM pgevents.events', 'PT405', 'cannot be changed');
SELECT pg_temp.equal(count(*)::text, '1', 'it is still there') FROM pgevents.events;

-- test: a rollback leaves no event
BEGIN;
SELECT pgevents.publish('c', 't', '1');
ROLLBACK;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text || (SELECT count(*) FROM pgevents.staging), '00',
  'rows');
SELECT pgevents.publish('c', 't', '2');
SELECT pg_temp.equal(string_agg(id || ':' || data, ' '), '2:2', 'and uses up no id') FROM pgevents.log_after(0, 10);

-- test: events of a rolled back savepoint are not published, the others are, in order
BEGIN;
SELECT pgevents.publish('c', 't', '1');
SAVEPOINT a;
SELECT pgevents.publish('c', 't', '2');
SAVEPOINT b;
SELECT pgevents.publish('c', 't', '3');
ROLLBACK TO b;
RELEASE a;
SAVEPOINT c;
SELECT pgevents.publish('c', 't', '4');
ROLLBACK TO c;
SELECT pgevents.publish('c', 't', '5');
COMMIT;
SELECT pg_temp.equal(string_agg(data, ' '), '1 2 5', 'events') FROM pgevents.log_after(0, 10);

-- test: an exception caught in PL/pgSQL removes the events of its block
DO $$
BEGIN
  PERFORM pgevents.publish('c', 't', '1');
  BEGIN
    PERFORM pgevents.publish('c', 't', '2');
    RAISE EXCEPTION 'no';
  EXCEPTION WHEN raise_exception THEN NULL;
  END;
END $$;
SELECT pg_temp.equal(string_agg(data, ' '), '1', 'events') FROM pgevents.log_after(0, 10);

-- test: nothing is in the log before COMMIT
BEGIN;
SELECT pgevents.publish('c', 't', '1');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.events)::text, '0', 'not yet');
COMMIT;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.events)::text, '1', 'now');

-- test: an event that a deferred trigger publishes gets its id as well, however deep
CREATE TABLE orders (n int);
CREATE FUNCTION announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pgevents.publish('c', 'order', to_json(NEW.n));
  IF NEW.n < 4 THEN INSERT INTO orders VALUES (NEW.n + 1); END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER announce AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION announce();
BEGIN;
SELECT pgevents.publish('c', 't', '0');
INSERT INTO orders VALUES (1);
COMMIT;
SELECT pg_temp.equal(string_agg(data, ' ' ORDER BY data), '0 1 2 3 4', 'events') FROM pgevents.log_after(0, 10);

-- test: SET CONSTRAINTS IMMEDIATE publishes early, without loss or duplicates
BEGIN;
SELECT pgevents.publish('c', 't', '1');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '1', 'at once');
SELECT pgevents.publish('c', 't', '2');
SET CONSTRAINTS ALL DEFERRED;
SELECT pgevents.publish('c', 't', '3');
COMMIT;
SELECT pg_temp.equal(string_agg(data, ' '), '1 2 3', 'events') FROM pgevents.log_after(0, 10);

-- test: the session's settings do not change what is stored
SET standard_conforming_strings = off;
SET DateStyle = 'German';
SET IntervalStyle = 'sql_standard';
SET TimeZone = 'Asia/Kathmandu';
SET lc_messages = 'C';
INSERT INTO pgevents.events (channel_id, data, expires_at)
  VALUES ('c', $${"type":"t","data":"\u0000 \\u0000 \/"}$$, '2100-01-01 00:00:00+00');
SELECT pgevents.prune();
SELECT pg_temp.equal(data, $$"\u0000 \\u0000 \/"$$, 'data') FROM pgevents.log_after(0, 10);
SELECT pg_temp.ok(ttl_ms > 0, 'ttl') FROM pgevents.log_after(0, 10);
