-- test: log_after returns all channels in order of id, at most max_rows
SELECT pgevents.publish('c' || n, 't', to_json(n)) FROM generate_series(2, 9) n;
SELECT pg_temp.equal(string_agg(id || channel_id || data, ' '), '6c66 7c77', 'rows') FROM pgevents.log_after(5, 2);
SELECT pg_temp.equal(count(*)::text, '8', 'no limit') FROM pgevents.log_after(0, NULL);
SELECT pg_temp.equal(count(*)::text, '0', 'at the head') FROM pgevents.log_after(9, 10);
SELECT pg_temp.ok(bool_and(ttl_ms IS NULL AND ts_us > 1600000000000000), 'times') FROM pgevents.log_after(0, 10);

-- test: ttl_ms counts down in milliseconds
SELECT pgevents.publish('c', 't', '1', interval '10 seconds');
SELECT pg_temp.ok(ttl_ms BETWEEN 1 AND 10000, 'listener: ' || ttl_ms) FROM pgevents.log_after(0, 1);
SELECT pg_temp.ok(ttl_ms BETWEEN 1 AND 10000, 'fetch: ' || ttl_ms) FROM pgevents.fetch('{c}', 0, NULL, 1, 1000)
  WHERE type = 't';

-- test: listener_start works on an empty log
SELECT pg_temp.equal(s::text, '(1,1,1,t)', 'start') FROM pgevents.listener_start(0, 0, 100) s;
SELECT pg_temp.equal(s::text, '(1,1,1,t)', 'nothing to preload') FROM pgevents.listener_start(0, 0, 0) s;
SELECT pg_temp.equal(s::text, '(1,1,1,t)', 'NULL as nothing') FROM pgevents.listener_start(NULL, NULL, NULL) s;

-- test: listener_start preloads the newest events
SELECT pgevents.publish('c', 't', '1') FROM generate_series(2, 10);
SELECT pg_temp.equal(s::text, '(10,1,7,t)', 'three') FROM pgevents.listener_start(0, 0, 3) s;
SELECT pg_temp.equal(count(*)::text, '3', 'rows after it') FROM pgevents.log_after(7, 100);
SELECT pg_temp.equal(s::text, '(10,1,1,t)', 'exactly all') FROM pgevents.listener_start(0, 0, 9) s;
SELECT pg_temp.equal(s::text, '(10,1,1,t)', 'more than all') FROM pgevents.listener_start(0, 0, 100) s;
SELECT pg_temp.equal(s::text, '(10,1,10,t)', 'none') FROM pgevents.listener_start(0, 0, 0) s;
UPDATE pgevents.log SET ts = now() - interval '8 days' WHERE id <= 6;
SELECT pgevents.prune();
SELECT pg_temp.equal(s::text, '(10,6,6,t)', 'after pruning') FROM pgevents.listener_start(0, 0, 100) s;

-- test: listener_start reports that the database is not the one the listener knew
SELECT pgevents.publish('c', 't', '1') FROM generate_series(2, 10);
SELECT pg_temp.equal(s.continuous::text, 'true', 'the same event is there')
  FROM pgevents.log_after(4, 1) l, pgevents.listener_start(l.id, l.ts_us, 9) s;
SELECT pg_temp.equal(s.continuous::text, 'false', 'another event has its id')
  FROM pgevents.log_after(4, 1) l, pgevents.listener_start(l.id, l.ts_us + 1, 9) s;
SELECT pg_temp.equal(s.continuous::text, 'false', 'its id is ahead') FROM pgevents.listener_start(11, 1, 9) s;
SELECT pg_temp.equal(s.continuous::text, 'true', 'it knew nothing') FROM pgevents.listener_start(0, 12345, 9) s;
DELETE FROM pgevents.log WHERE id = 5;
SELECT pg_temp.equal(s.continuous::text, 'true', 'its event has expired') FROM pgevents.listener_start(5, 1, 9) s;

-- test: http_publish returns the id at once
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t","data":{"a" : 1}}', NULL)::text,
  '{"id": 2, "result": "success"}', 'answer');
SELECT pg_temp.equal(concat_ws('|', channel_id, type, data, ttl_ms), 'c|t|{"a" : 1}', 'event')
  FROM pgevents.log_after(0, 10);
SELECT pg_temp.equal(pgevents.http_publish(NULL, 'c', '{"type":"t"}', NULL) ->> 'id', '3', 'without identity and data');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.staging)::text, '0', 'staged');

-- test: http_publish takes a ttl in seconds
SELECT pgevents.http_publish('{}', 'c', '{"type":"t","ttl":1.5}', NULL);
SELECT pgevents.http_publish('{}', 'c', '{"type":"t","data":"\u0000","ttl":1e3}', NULL);
SELECT pgevents.http_publish('{}', 'c', '{"type":"t","ttl":null}', NULL);
SELECT pg_temp.equal(string_agg(coalesce(ceil(ttl_ms / 1000.0)::text, '-'), ' '), '2 1000 -', 'seconds')
  FROM pgevents.log_after(0, 10);

-- test: http_publish rejects a wrong body
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '{"type":"t"', NULL)$$, 'PT400',
  'The body is not valid JSON', '{"code":"BAD_REQUEST"}');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '', NULL)$$, 'PT400', 'The body is not valid JSON');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', repeat('[', 100000), NULL)$$, 'PT400',
  'The body is not valid JSON');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '[1]', NULL)$$, 'PT400', 'string member "type"');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', NULL, NULL)$$, 'PT400', 'string member "type"');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '{"data":1}', NULL)$$, 'PT400', 'string member "type"');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '{"type":"a\nb"}', NULL)$$, 'PT400',
  'Invalid event type');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '{"type":"pgevents.x"}', NULL)$$, 'PT400', 'reserved');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', '', '{"type":"t"}', NULL)$$, 'PT400', 'Invalid channel name');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', NULL, '{"type":"t"}', NULL)$$, 'PT400',
  'Invalid channel name');
SELECT pg_temp.fails(format($$SELECT pgevents.http_publish('{}', 'c', '{"type":"t","ttl":%s}', NULL)$$, ttl), 'PT400',
  'Invalid ttl', '{"code":"BAD_REQUEST"}')
  FROM unnest(ARRAY['0', '-1', '"5"', 'true', '[1]', '1e400', '1e-400', '99999999999', repeat('9', 500), '0e999999999',
  '1e999999999', '1e-999999999',
    '1e2147483648', '0.0e99999', '1e131072', '1e-16384', '1e00001']) ttl;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '0', 'events');

-- test: the same idempotency key returns the same id and publishes no second event
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k') ->> 'id', '2', 'first');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k') ->> 'id', '2', 'again');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"2"}', 'c', '{"type":"t"}', 'k') ->> 'id', '3', 'another user');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1","realm":"r"}', 'c', '{"type":"t"}', 'k') ->> 'id', '4',
  'another realm');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'd', '{"type":"t"}', 'k') ->> 'id', '5', 'another channel');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', repeat('long', 5000)) ->> 'id', '6',
  'a long key');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', repeat('long', 5000)) ->> 'id', '6',
  'a long key again');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', '') ->> 'id', '7',
  'an empty key is none');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', '') ->> 'id', '8',
  'an empty key is none');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '7', 'events');

-- test: an idempotency key with another body is rejected
SELECT pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{"user":"1"}', 'c', '{"type":"u"}', 'k')$$, 'PT422',
  'Idempotency-Key was already used with another body', '{"code":"UNPROCESSABLE"}');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '1', 'events');

-- test: an idempotency key counts for 24 hours, and is then pruned
SELECT pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k');
UPDATE pgevents.idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes';
SELECT pg_temp.equal(pgevents.prune()::text, '0', 'pruned too early');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k') ->> 'id', '2', 'still the same');
UPDATE pgevents.idempotency_keys SET created_at = created_at - interval '1 hour';
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"u"}', 'k') ->> 'id', '3', 'a new one');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"u"}', 'k') ->> 'id', '3', 'which counts');
UPDATE pgevents.idempotency_keys SET created_at = created_at - interval '25 hours';
SELECT pg_temp.equal(pgevents.prune()::text, '1', 'pruned');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.idempotency_keys)::text, '0', 'keys');

-- test: prune removes events from the oldest id upwards, in batches, up to the first one to keep
SELECT pgevents.publish('c', 't', '1') FROM generate_series(2, 101);
SELECT pg_temp.equal(pgevents.prune()::text, '101', 'staged rows');
SELECT pg_temp.equal(pgevents.prune()::text, '0', 'nothing is old');
UPDATE pgevents.log SET ts = now() - interval '8 days' WHERE id <= 50 OR id = 70;
SELECT pg_temp.equal(pgevents.prune(20)::text, '20', 'first batch');
SELECT pg_temp.equal(pruned_id || ' ' || (pruned_ts < now() - interval '7 days'), '21 true', 'record')
  FROM pgevents.history;
SELECT pg_temp.equal(pgevents.prune(20)::text, '20', 'second batch');
SELECT pg_temp.equal(pgevents.prune(20)::text, '9', 'third batch');
SELECT pg_temp.equal(pgevents.prune(20)::text, '0', 'done');
SELECT pg_temp.equal(pruned_id::text, '50', 'record') FROM pgevents.history;
SELECT pg_temp.equal(min(id) || '-' || max(id) || ' ' || count(*), '51-101 51',
  'kept: also an old one between newer ones') FROM pgevents.log;

-- test: everything can be pruned, and the head stays
SELECT pgevents.publish('c', 't', '1') FROM generate_series(2, 10);
UPDATE pgevents.log SET ts = now() - interval '8 days';
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '0', 'rows');
SELECT pg_temp.equal(pgevents.head()::text, '10', 'head');
SELECT pg_temp.equal(string_agg(id || type, ' '), '10end', 'a client at the head has no gap')
  FROM pgevents.fetch('{c}', 10, NULL, 10, 1000);
SELECT pgevents.publish('c', 't', '1');
SELECT pg_temp.equal(pgevents.head()::text, '11', 'the next id');

-- test: the retention is a setting, and an unusable one is rejected
SELECT pgevents.publish('c', 't', '1');
UPDATE pgevents.log SET ts = now() - interval '2 hours';
UPDATE pgevents.settings SET value = '3 hours' WHERE name = 'retention';
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '1', 'kept');
UPDATE pgevents.settings SET value = '1 hour' WHERE name = 'retention';
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '0', 'pruned');
SELECT pg_temp.fails($$UPDATE pgevents.settings SET value = 'soon' WHERE name = 'retention'$$, 'PT400',
  'Invalid value "soon" for the setting "retention": must be an interval greater than 0');
SELECT pg_temp.fails($$UPDATE pgevents.settings SET value = '0' WHERE name = 'retention'$$, 'PT400',
  'must be an interval greater than 0');
SELECT pg_temp.fails($$UPDATE pgevents.settings SET value = '-1 day' WHERE name = 'retention'$$, 'PT400',
  'must be an interval greater than 0');
DELETE FROM pgevents.settings;
SELECT pgevents.publish('c', 't', '1');
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '1', 'without the setting nothing is pruned');

-- test: status returns what an operator wants to see
CREATE FUNCTION pg_temp.status(names text[]) RETURNS text LANGUAGE sql AS $$
  SELECT jsonb_object_agg(e.key, e.value)::text FROM jsonb_each(pgevents.status()) e WHERE e.key = ANY (names)
$$;
SELECT pg_temp.equal((SELECT string_agg(k, ' ' ORDER BY k) FROM jsonb_object_keys(pgevents.status()) k),
  'append bans bytes events functions generation group_commit head oldest pruned publication publishing ready '
  'revocations role sequencer settled slots staged subscription version waiting warnings', 'members');
SELECT pg_temp.equal(pg_temp.status('{version,functions,head,oldest,events,staged,publishing,waiting,pruned}'),
  '{"head": 1, "events": 0, "oldest": 2, "pruned": null, "staged": 0, "version": 12, "waiting": 0, "functions": 12, '
  '"publishing": 0}', 'empty');
SELECT pgevents.publish('c', 't', to_json(repeat('x', 10000))) FROM generate_series(2, 10);
UPDATE pgevents.log SET ts = now() - interval '8 days' WHERE id = 2;
SELECT pg_temp.equal(pg_temp.status('{head,oldest,events,staged,pruned}'),
  '{"head": 10, "events": 9, "oldest": 2, "pruned": null, "staged": 10}', 'nine events');
SELECT pg_temp.equal(pg_temp.status('{bytes}')::jsonb #>> '{bytes,log}', pg_total_relation_size('pgevents.log')::text, 'bytes');
SELECT pg_temp.equal(pg_temp.status('{bytes}')::jsonb #>> '{bytes,staging}', (pg_total_relation_size('pgevents.staging')
  + pg_total_relation_size('pgevents.staging_rest') + pg_total_relation_size('pgevents.turns'))::text, 'bytes');
SELECT pg_temp.equal(pgevents.prune()::text, '11', 'rows removed');
SELECT pg_temp.equal(pg_temp.status('{head,oldest,events,staged}'),
  '{"head": 10, "events": 8, "oldest": 3, "staged": 0}', 'pruned');
SELECT pg_temp.equal(pgevents.status() #>> '{pruned,removed}', '11', 'removed');
SELECT pg_temp.ok((pgevents.status() #>> '{pruned,at}')::timestamptz BETWEEN now() - interval '1 minute' AND now(), 'time');

-- test: status counts events beyond any estimate, revocations, and bans
INSERT INTO pgevents.log (id, channel_id, ts, type, data)
  SELECT nextval('pgevents.log_id_seq'), 'c', now(), 't', 'null' FROM generate_series(1, 20001);
SELECT pg_temp.equal(pgevents.status() ->> 'events', '20001', 'events');
SELECT pgevents.revoke('10'), pgevents.revoke('11', 'infinity'), pgevents.revoke('12', 'infinity');
SELECT pg_temp.equal((pgevents.status() ->> 'revocations') || ' ' || (pgevents.status() ->> 'bans'), '3 2', 'users');
SELECT pg_temp.equal(pgevents.status() #>> '{generation,number}', '1', 'generations');

-- test: prune writes down that it ran when it removed something, and else once an hour
SELECT pg_temp.equal(pgevents.prune()::text, '0', 'nothing to remove');
SELECT pg_temp.equal((SELECT p.removed || ' ' || p.removed_total FROM pgevents.prunes p), '0 0', 'the first call');
CREATE TEMP TABLE before AS SELECT p.ctid AS place, p.xmax::text AS locker FROM pgevents.prunes p;
SELECT pgevents.prune();
SELECT pg_temp.ok((SELECT p.ctid = b.place AND p.xmax::text = b.locker FROM pgevents.prunes p, before b), 'neither written nor locked');
SELECT pgevents.publish('c', 't', '1');
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT p.removed || ' ' || p.removed_total FROM pgevents.prunes p), '2 2', 'staged rows');
UPDATE pgevents.prunes SET pruned_at = now() - interval '61 minutes';
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT p.removed || ' ' || p.removed_total FROM pgevents.prunes p), '0 2', 'an hour later');
SELECT pg_temp.ok((SELECT p.pruned_at > now() - interval '1 minute' FROM pgevents.prunes p), 'its time');

-- test: the functions say which programs they serve
SELECT pg_temp.equal((SELECT s.version || ' ' || s.serves_from FROM pgevents.schema_version() s), '12 7', 'versions');
SET ROLE pgevents_server;
SELECT pg_temp.equal((SELECT s.version || ' ' || s.serves_from FROM pgevents.schema_version() s), '12 7', 'for a front-end');
