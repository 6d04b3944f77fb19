-- Several publications over HTTP in one call.

-- test: each of several publications gets its own answer or error, as http_publish() would have given it
CREATE TEMP TABLE request AS SELECT * FROM (VALUES
  (1, NULL::jsonb, 'c', '{"type":"a","data":{ "z":1,  "a":"\u0000"}}', NULL),
  (2, '{"user":"1"}', 'c', 'no JSON', NULL), (3, '{"user":"1"}', 'c', '{"type":"b","ttl":60}', 'k'),
  (4, NULL, 'presence:main', '{"type":"b"}', NULL), (5, '{"user":"1"}', 'c', '{"type":"error"}', ''),
  (6, '{"user":"1"}', 'c', '{"type":"b","ttl":60}', 'k'), (7, '{"user":"1"}', 'c', '{"type":"other"}', 'k'),
  (8, '{"user":"2"}', 'c', '{"type":"c"}', 'k'), (9, NULL, NULL, NULL, NULL), (10, NULL, 'pgevents.x', '{"type":"b"}', NULL),
  (11, NULL, 'c', '{"type":"d"}', '')) r (place, identity, channel, body, key);
CREATE FUNCTION pg_temp.alone(r request) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  RETURN pgevents.http_publish(r.identity, r.channel, r.body, r.key);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END $$;
CREATE TEMP TABLE many AS
  SELECT row_number() OVER () AS place, coalesce(m.answer::text, concat_ws(' ', m.state, m.message, m.detail)) AS outcome
    FROM pgevents.http_publish_many((SELECT jsonb_agg(jsonb_build_object('identity', r.identity, 'channel', r.channel,
                                       'body', r.body, 'idempotency_key', r.key) ORDER BY r.place) FROM request r)) m;
SELECT pg_temp.equal(string_agg(id || type || data, ' ' ORDER BY id), '2a{ "z":1,  "a":"\u0000"} 3bnull 4cnull 5dnull',
  'log') FROM pgevents.log;
CREATE TEMP TABLE events AS SELECT id, channel_id, type, data::text, expires_at IS NULL AS is_kept FROM pgevents.log;
TRUNCATE pgevents.log, pgevents.idempotency_keys;
SELECT setval('pgevents.log_id_seq', 1);
CREATE TEMP TABLE single AS SELECT r.place, pg_temp.alone(r) AS outcome FROM request r ORDER BY r.place;
SELECT pg_temp.equal(m.outcome, s.outcome, 'request ' || s.place) FROM single s FULL JOIN many m USING (place);
SELECT pg_temp.ok(count(*) FILTER (WHERE outcome ~ '^PT') = 6, 'errors') FROM many;
SELECT pg_temp.ok(NOT EXISTS (TABLE events EXCEPT SELECT id, channel_id, type, data::text, expires_at IS NULL
  FROM pgevents.log), 'events');

-- test: a repeated key has its first id in a later call, after 24 hours a new one, and nothing is published twice
SELECT pgevents.http_publish('{}', 'c', '{"type":"t"}', 'k');
SELECT pg_temp.equal(string_agg(m::text, ' '),
  '("{""id"": 2, ""result"": ""success""}",,,) ("{""id"": 2, ""result"": ""success""}",,,)', 'ids')
  FROM pgevents.http_publish_many('[{"channel":"c","body":"{\"type\":\"t\"}","idempotency_key":"k","identity":{}},
    {"channel":"c","body":"{\"type\":\"t\"}","idempotency_key":"k","identity":{}}]') m;
UPDATE pgevents.idempotency_keys SET created_at = created_at - interval '25 hours';
SELECT pg_temp.equal(string_agg(m.answer ->> 'id', ' '), '3 3', 'new ids')
  FROM pgevents.http_publish_many('[{"channel":"c","body":"{\"type\":\"u\"}","idempotency_key":"k","identity":{}},
    {"channel":"c","body":"{\"type\":\"u\"}","idempotency_key":"k","identity":{}}]') m;
SELECT pg_temp.equal(string_agg(id::text, ' ' ORDER BY id), '2 3', 'log') FROM pgevents.log;
SELECT pg_temp.equal(count(*)::text, '0', 'an empty call') FROM pgevents.http_publish_many('[]');
