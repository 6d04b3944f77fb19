-- test: http_publish_many answers each request as http_publish() would, and publishes in their order
CREATE FUNCTION pg_temp.many(requests text) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(coalesce(answer ->> 'id', concat_ws(' ', state, message, detail)), E'\n')
    FROM pgevents.http_publish_many(requests::jsonb)
$$;
SELECT pg_temp.equal(pg_temp.many('[{"identity":{"user":"1"},"channel":"c","body":"{\"type\":\"t\",\"data\":{\"b\" : 1}}"},
    {"identity":{},"channel":"c","body":"{\"type\":\"t\""},
    {"identity":{},"channel":"c","body":"{\"type\":\"u\",\"data\":\"\\u0000\",\"ttl\":1.5}"},
    {"channel":"presence:main","body":"{\"type\":\"t\"}"},
    {"identity":null,"channel":"d","body":"{\"type\":\"t\"}","idempotency_key":""},
    {"identity":{},"channel":"c","body":"{\"type\":\"open\"}"}, {"identity":{},"channel":null,"body":"{\"type\":\"t\"}"},
    {"identity":{},"channel":"c"}]'),
  '2
PT400 The body is not valid JSON {"code":"BAD_REQUEST"}
3
PT403 Nothing can be published over HTTP on a presence channel {"code":"FORBIDDEN"}
4
PT400 ' || pgevents.type_reserved('open') || ' {"code":"BAD_REQUEST"}
PT400 Invalid channel name: 1 to 255 bytes, no control characters {"code":"BAD_REQUEST"}
PT400 Invalid event data: must be a JSON object with a string member "type" {"code":"BAD_REQUEST"}', 'answers');
SELECT pg_temp.equal(string_agg(concat_ws('|', id, channel_id, type, data, ceil(ttl_ms / 1000.0)), ' '),
  '2|c|t|{"b" : 1} 3|c|u|"\u0000"|2 4|d|t|null', 'events') FROM pgevents.log_after(0, 10);
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.staging)::text, '0', 'staged');
SELECT pg_temp.equal(answer::text, '{"id": 5, "result": "success"}', 'the whole answer')
  FROM pgevents.http_publish_many('[{"channel":"c","body":"{\"type\":\"t\"}"}]');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.http_publish_many('[]'))::text, '0', 'no request');

-- test: http_publish_many gives a key that was used before its first id, and leaves it out with another body
SELECT pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k');
SELECT pg_temp.equal(string_agg(coalesce(answer ->> 'id', concat_ws(' ', state, message, detail)), '; '),
  '2; ; 3', 'answers')
  FROM pgevents.http_publish_many('[{"identity":{"user":"1"},"channel":"c","body":"{\"type\":\"t\"}","idempotency_key":"k"},
    {"identity":{"user":"1"},"channel":"c","body":"{\"type\":\"u\"}","idempotency_key":"k"},
    {"identity":{"user":"2"},"channel":"c","body":"{\"type\":\"u\"}","idempotency_key":"k"}]');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"2"}', 'c', '{"type":"u"}', 'k') ->> 'id', '3', 'its key is kept');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '2', 'events');

-- test: http_publish_many takes a key anew after 24 hours
SELECT pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k');
UPDATE pgevents.idempotency_keys SET created_at = created_at - interval '25 hours';
SELECT pg_temp.equal(answer ->> 'id', '3', 'a new event') FROM pgevents.http_publish_many(
  '[{"identity":{"user":"1"},"channel":"c","body":"{\"type\":\"u\"}","idempotency_key":"k"}]');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"u"}', 'k') ->> 'id', '3', 'which counts');

-- test: http_publish_many leaves the second request with the same key out, whatever its body
SELECT pg_temp.equal(string_agg(coalesce(answer ->> 'id', state, 'left out'), '; '), '2; left out; left out; 3', 'answers')
  FROM pgevents.http_publish_many('[{"identity":{"user":"1"},"channel":"c","body":"{\"type\":\"t\"}","idempotency_key":"k"},
    {"identity":{"user":"1"},"channel":"c","body":"{\"type\":\"t\"}","idempotency_key":"k"},
    {"identity":{"user":"1"},"channel":"c","body":"{\"type\":\"u\"}","idempotency_key":"k"},
    {"identity":{"user":"1"},"channel":"d","body":"{\"type\":\"u\"}","idempotency_key":"k"}]');
SELECT pg_temp.equal(pgevents.http_publish('{"user":"1"}', 'c', '{"type":"t"}', 'k') ->> 'id', '2', 'the same body');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{"user":"1"}', 'c', '{"type":"u"}', 'k')$$, 'PT422', 'another body');

-- test: http_publish_many lets a key be used whose first request was rejected
SELECT pg_temp.equal(string_agg(coalesce(answer ->> 'id', state, 'left out'), '; '), 'PT400; 2', 'answers')
  FROM pgevents.http_publish_many('[{"channel":"c","body":"{","idempotency_key":"k"},
    {"channel":"c","body":"{\"type\":\"t\"}","idempotency_key":"k"}]');

-- test: http_publish_many leaves a request out that fails for another reason, and publishes the others
CREATE OR REPLACE FUNCTION pgevents.channel_kind(realm text, channel text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM CASE WHEN channel = 'broken' THEN 1 / (length(channel) - 6) END;
  RETURN NULL;
END $$;
SELECT pg_temp.equal(string_agg(coalesce(answer ->> 'id', state, 'left out'), '; '), '2; left out; 3', 'answers')
  FROM pgevents.http_publish_many('[{"channel":"c","body":"{\"type\":\"t\"}"}, {"channel":"broken","body":"{\"type\":\"t\"}"},
    {"channel":"c","body":"{\"type\":\"t\"}"}]');

-- test: a server may call http_publish_many, and none of its parts
SET ROLE pgevents_server;
SELECT pg_temp.equal(answer ->> 'id', '2', 'http_publish_many')
  FROM pgevents.http_publish_many('[{"channel":"c","body":"{\"type\":\"t\"}","idempotency_key":"k"}]');
SELECT pg_temp.fails('SELECT pgevents.' || call, '42501', 'permission denied')
  FROM unnest(ARRAY['publication_read(NULL, ''c'', ''{}'', NULL)', 'publication_earlier('''', '''')',
    'publications_read(''[]'')', 'publications_claim(''{}'')', 'publication_write(''c'', ''t'', ''1'', NULL, NULL, NULL)']) call;
SET ROLE pgevents_publisher;
SELECT pg_temp.fails('SELECT FROM pgevents.http_publish_many(''[]'')', '42501', 'permission denied');
