-- test: typing to a user reaches them and the sender, in the form that Zulip's clients know
SELECT pg_temp.people();
SELECT pg_temp.equal(pgevents.http_typing('{"user":"10","realm":"main"}', '{"op":"start","to":"[11]"}')::text,
  '{"result":"success","msg":""}', 'answer');
SELECT pg_temp.equal(string_agg(concat_ws(' ', id, channel_id, type, data), E'\n' ORDER BY id), concat_ws(E'\n',
  '2 user:10 typing {"op":"start","message_type":"direct","sender":{"user_id":"10"},"recipients":[{"user_id":"11"},{"user_id":"10"}]}',
  '3 user:11 typing {"op":"start","message_type":"direct","sender":{"user_id":"10"},"recipients":[{"user_id":"11"},{"user_id":"10"}]}'), 'events') FROM pgevents.log;
SELECT pg_temp.ok(bool_and(ttl_ms BETWEEN 40000 AND 45000), 'they expire after 45 seconds')
  FROM pgevents.log_after(0, 9);

-- test: start and stop work by form and by JSON, with type direct or none
SELECT pg_temp.people();
SELECT pgevents.http_typing('{"user":"10"}', params::jsonb)
  FROM (VALUES ('{"op":"start","type":"direct","to":"[\"11\"]"}'), ('{"op":"stop","to":["11"]}'),
  ('{"op":"stop","type":"direct","to":[11],"stream_id":"7","topic":"not looked at"}')) t (params);
SELECT pg_temp.equal(string_agg(data ->> 'op', ' ' ORDER BY id), 'start stop stop', 'ops') FROM pgevents.log
  WHERE channel_id = 'user:11';

-- test: typing to several users works, with the sender and a user named twice
SELECT pg_temp.people();
SELECT pgevents.http_typing('{"user":"10"}', '{"op":"start","to":"[12,10,11,\"12\"]"}');
SELECT pg_temp.equal(string_agg(channel_id, ' ' ORDER BY id), 'user:10 user:11 user:12', 'channels') FROM pgevents.log;
SELECT pg_temp.equal(string_agg(DISTINCT data ->> 'recipients', ' '),
  '[{"user_id":"12"},{"user_id":"10"},{"user_id":"11"}]', 'recipients') FROM pgevents.log;

-- test: typing to oneself reaches the sender's other devices
SELECT pg_temp.people();
SELECT pgevents.http_typing('{"user":"10"}', format('{"op":"%s","to":"[10]"}', op)::jsonb)
  FROM unnest(ARRAY['start', 'stop']) op;
SELECT pg_temp.equal(string_agg(channel_id || (data ->> 'op') || (data ->> 'recipients'), ' ' ORDER BY id),
  'user:10start[{"user_id":"10"}] user:10stop[{"user_id":"10"}]', 'events') FROM pgevents.log;

-- test: all recipients' events are in one transaction
SELECT pg_temp.people();
SELECT pgevents.http_typing('{"user":"10"}', '{"op":"start","to":"[11,12]"}');
SELECT pg_temp.equal(count(*) || ' ' || count(DISTINCT xmin::text), '3 1', 'events and transactions') FROM pgevents.log;

-- test: a user who has typing notifications off gets none, and is still named
SELECT pg_temp.people();
UPDATE pgevents.users SET receives_typing_notifications = false WHERE user_id IN ('11', '10');
SELECT pgevents.http_typing('{"user":"10"}', '{"op":"start","to":"[11,12,\"gone\"]"}');
SELECT pg_temp.equal(string_agg(channel_id || (data ->> 'recipients'), ' ' ORDER BY id),
  'user:12[{"user_id":"11"},{"user_id":"12"},{"user_id":"gone"},{"user_id":"10"}]', 'events') FROM pgevents.log;

-- test: two realms with the same user ids never get each other's typing
SELECT pg_temp.people();
INSERT INTO pgevents.users (realm, user_id) VALUES ('other', '10'), ('other', '11'), ('a:b', '10'), ('a:b', '11');
SELECT pg_temp.ask('typing', '10', '{"op":"start","to":"[11]"}', realm)
  FROM unnest(ARRAY['main', 'other', 'a:b']) realm;
SELECT pg_temp.equal(string_agg(channel_id, ' ' ORDER BY id),
  'user:10 user:11 user@other:10 user@other:11 user@a=3Ab:10 user@a=3Ab:11', 'channels') FROM pgevents.log;
INSERT INTO pgevents.streams VALUES ('7', 'main', 'general'), ('8', 'other', 'general');
INSERT INTO pgevents.stream_members SELECT s, u FROM unnest(ARRAY['7', '8']) s, unnest(ARRAY['10', '11']) u;
SELECT pg_temp.rejected(format('SELECT pg_temp.ask(''typing'', ''10'', ''{"op":"start","type":"stream","stream_id":"%s","topic":"x"}'', %L)', id, realm), 'Invalid channel ID')
  FROM (VALUES ('7', 'other'), ('8', 'main'), ('7', 'a:b')) t (id, realm);

-- test: op and type are checked, on both ways
SELECT pg_temp.people();
SELECT pg_temp.rejected(format('SELECT pgevents.http_typing(%L, %L)', '{"user":"10"}', params), wanted,
  coalesce(detail, '{"code":"BAD_REQUEST"}'))
  FROM (VALUES ('{"to":"[11]"}', 'Missing ''op'' argument', '{"code":"REQUEST_VARIABLE_MISSING","var_name":"op"}'),
  ('{"op":"foo","to":"[11]"}', 'Invalid op', NULL),
    ('{"op":"","to":"[11]"}', 'Invalid op', NULL),
    ('{"op":"foo","type":"stream","stream_id":"7","topic":"x"}', 'Invalid op', NULL),
    ('{"op":"foo","type":"bar"}', 'Invalid op', NULL),
    ('{"op":true,"to":"[11]"}', 'op is not a string', NULL), ('{"op":"foo","to":"2"}', 'Invalid op', NULL),
    ('{"to":"2"}', 'Missing ''op'' argument', '{"code":"REQUEST_VARIABLE_MISSING","var_name":"op"}'),
    ('{"op":"start","type":"bar","to":"x"}', 'Invalid type', NULL),
    ('{"op":"start","type":"invalid","to":"[11]"}', 'Invalid type', NULL),
    ('{"op":"start","type":"","to":"[11]"}', 'Invalid type', NULL)) t (params, wanted, detail);
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');

-- test: the recipients are checked, in this order, and one bad id rejects the request
SELECT pg_temp.people();
SELECT pg_temp.rejected(format('SELECT pgevents.http_typing(%L, %L)', '{"user":"10"}', params), wanted,
  coalesce(detail, '{"code":"BAD_REQUEST"}'))
  FROM (VALUES ('{"op":"start"}', 'Missing ''to'' argument', '{"code":"REQUEST_VARIABLE_MISSING","var_name":"to"}'),
  ('{"op":"start","to":"[]"}', 'Empty ''to'' list', NULL),
    ('{"op":"start","to":"2"}', 'to is not a list', NULL), ('{"op":"start","to":11}', 'to is not a list', NULL),
    ('{"op":"start","to":"11,12"}', 'to is not valid JSON', NULL),
    ('{"op":"start","to":"{\"a\":11}"}', 'to is not a list', NULL),
    ('{"op":"start","to":"[11,9999999,88]"}', 'Invalid user ID 9999999', NULL),
    ('{"op":"start","to":"[11,20]"}', 'Invalid user ID 20', NULL),
    ('{"op":"start","to":"[\"11\",\" 12\"]"}', 'Invalid user ID  12', NULL),
    ('{"op":"start","to":"[11.0]"}', 'Invalid user ID 11.0', NULL),
    ('{"op":"start","to":"[null]"}', 'Invalid user ID null', NULL),
    ('{"op":"start","to":"[[11]]"}', 'Invalid user ID [11]', NULL),
    ('{"op":"start","to":"[\"\"]"}', 'Invalid user ID ', NULL)) t (params, wanted, detail);
UPDATE pgevents.users SET send_private_typing_notifications = false WHERE user_id = '10';
SELECT pg_temp.rejected(format('SELECT pgevents.http_typing(%L, %L)', '{"user":"10"}', params), wanted,
  coalesce(detail, '{"code":"BAD_REQUEST"}'))
  FROM (VALUES ('{"op":"start"}', 'Missing ''to'' argument', '{"code":"REQUEST_VARIABLE_MISSING","var_name":"to"}'),
  ('{"op":"start","to":"[]"}', 'Empty ''to'' list', NULL),
    ('{"op":"start","to":"[9999999]"}', 'User has disabled typing notifications for direct messages', NULL),
    ('{"op":"stop","to":"[11]"}', 'User has disabled typing notifications for direct messages', NULL)) t (params,
    wanted, detail);
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');

-- test: a conversation of more than a hundred users is rejected
SELECT pg_temp.people();
INSERT INTO pgevents.users (user_id) SELECT 'p' || n FROM generate_series(1, 101) n;
CREATE FUNCTION pg_temp.to_all(n int) RETURNS text LANGUAGE sql AS $$
  SELECT jsonb_build_object('op', 'start', 'to', (SELECT jsonb_agg('p' || i) FROM generate_series(1, n) i))::text
$$;
SELECT pg_temp.rejected(format('SELECT pgevents.http_typing(%L, %L)', '{"user":"10"}', pg_temp.to_all(101)),
  'Too many recipients: at most 100');
SELECT pgevents.http_typing('{"user":"10"}', pg_temp.to_all(100)::jsonb);
SELECT pg_temp.equal(count(*)::text, '101', 'events') FROM pgevents.log;

-- test: a rate limits the events that a user may cause in a minute, for conversations and streams, each user alone
SELECT pg_temp.people();
INSERT INTO pgevents.streams VALUES ('7', 'main', 'general');
INSERT INTO pgevents.stream_members VALUES ('7', '10'), ('7', '11');
CREATE FUNCTION pg_temp.limited(who text, params text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  RETURN pg_temp.ask('typing', who, params::jsonb) ->> 'result';
EXCEPTION WHEN SQLSTATE 'PT429' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' ', SQLERRM, detail::jsonb ->> 'code', (detail::jsonb ->> 'retry-after')::int BETWEEN 1 AND 60);
END $$;
CREATE FUNCTION pg_temp.direct(who text) RETURNS text LANGUAGE sql
  AS $$SELECT pg_temp.limited(who, '{"op":"start","to":[11,12]}')$$;
SELECT pg_temp.equal(pg_temp.direct('10'), 'success', n || ' while there is none') FROM generate_series(1, 9) n;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.typing_counts)::text, '0', 'nothing is written for it');
UPDATE pgevents.settings SET value = '7' WHERE name = 'typing_rate';
SELECT pg_temp.equal(string_agg(pg_temp.direct(who), ', ' ORDER BY n),
  'success, success, Too many typing notifications RATE_LIMIT_HIT t, success', 'three events each')
  FROM (VALUES (1, '10'), (2, '10'), (3, '10'), (4, '11')) t (n, who);
SELECT pg_temp.equal(string_agg(pg_temp.limited('10', '{"op":"stop","type":"stream","stream_id":"7","topic":"x"}'),
  ', '), 'success, Too many typing notifications RATE_LIMIT_HIT t', 'one event each')
  FROM generate_series(1, 2);
SELECT pg_temp.rejected($$SELECT pg_temp.ask('typing', '10', '{"op":"start","to":[99]}')$$, 'Invalid user ID 99');
UPDATE pgevents.typing_counts SET since = since - interval '61 seconds' WHERE user_id = '10';
SELECT pg_temp.equal(pg_temp.direct('10'), 'success', 'a minute later');
UPDATE pgevents.typing_counts SET since = since + interval '1 hour' WHERE user_id = '10';
SELECT pg_temp.equal(pg_temp.direct('10'), 'success', 'after the clock was set back');
SELECT pg_temp.equal(string_agg(user_id || '=' || events, ' ' ORDER BY user_id), '10=3 11=2', 'a row for a user')
  FROM pgevents.typing_counts;
UPDATE pgevents.typing_counts SET since = since - interval '61 seconds';
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.typing_counts)::text, '0', 'pruned');

-- test: typing in a stream is one event on its channel, whether it is called stream or channel
SELECT pg_temp.people();
INSERT INTO pgevents.streams VALUES ('7', 'main', 'general');
INSERT INTO pgevents.stream_members SELECT '7', user_id FROM pgevents.users WHERE realm = 'main';
SELECT pgevents.http_typing('{"user":"10"}', params::jsonb)
  FROM (VALUES ('{"op":"start","type":"stream","stream_id":"7","topic":"x"}'),
  ('{"op":"stop","type":"channel","stream_id":7,"topic":"Grüße \"a\""}'),
  ('{"op":"start","type":"channel","stream_id":"7","topic":"","to":"[99]"}')) t (params);
SELECT pg_temp.equal(string_agg(concat_ws(' ', channel_id, type, data), E'\n' ORDER BY id), concat_ws(E'\n',
  'stream:7 typing {"op":"start","message_type":"stream","sender":{"user_id":"10"},"stream_id":"7","topic":"x"}',
  'stream:7 typing {"op":"stop","message_type":"stream","sender":{"user_id":"10"},"stream_id":"7","topic":"Grüße \"a\""}',
  'stream:7 typing {"op":"start","message_type":"stream","sender":{"user_id":"10"},"stream_id":"7","topic":""}'),
  'events') FROM pgevents.log;
SELECT pg_temp.ok(bool_and(ttl_ms BETWEEN 40000 AND 45000), 'they expire') FROM pgevents.log_after(0, 9);

-- test: stream, topic and the right to write are checked, in this order
SELECT pg_temp.people();
INSERT INTO pgevents.streams VALUES ('7', 'main', 'general', false), ('8', 'main', 'old', true),
  ('9', 'other', 'theirs', false), ('6', 'main', 'o''clock', false);
INSERT INTO pgevents.stream_members SELECT s, '10' FROM unnest(ARRAY['7', '8', '9']) s;
SELECT pg_temp.rejected(format('SELECT pgevents.http_typing(%L, %L)', '{"user":"10"}',
  '{"op":"start","type":"stream"}'::jsonb || params::jsonb), wanted, coalesce(detail, '{"code":"BAD_REQUEST"}'))
  FROM (VALUES ('{"topic":"x"}', 'Missing ''stream_id'' argument',
  '{"code":"REQUEST_VARIABLE_MISSING","var_name":"stream_id"}'),
  ('{"type":"channel"}', 'Missing ''stream_id'' argument',
  '{"code":"REQUEST_VARIABLE_MISSING","var_name":"stream_id"}'),
    ('{"stream_id":"7"}', 'Missing topic', NULL), ('{"stream_id":"99"}', 'Missing topic', NULL),
    ('{"stream_id":true,"topic":"x"}', 'stream_id is not a string', NULL),
    ('{"stream_id":"7","topic":5}', 'topic is not a string', NULL),
    ('{"stream_id":"99","topic":"x"}', 'Invalid channel ID', NULL),
    ('{"stream_id":"8","topic":"x"}', 'Invalid channel ID', NULL),
    ('{"stream_id":"9","topic":"x"}', 'Invalid channel ID', NULL),
    ('{"stream_id":"6","topic":"x"}', 'Invalid channel ID', NULL),
    ('{"stream_id":"7","topic":"x","to":"7"}', 'to is not a list', NULL),
    (format('{"stream_id":"7","topic":"%s"}', repeat('ü', 501)), 'Topic too long: at most 1000 bytes', NULL)) t (params,
    wanted, detail);
SELECT pg_temp.rejected($$SELECT pgevents.http_typing('{"user":"11"}', '{"op":"start","type":"channel","stream_id":"7","topic":"x"}')$$, 'Invalid channel ID');
SELECT pg_temp.rejected($$SELECT pgevents.http_typing('{"user":"20","realm":"other"}', '{"op":"start","type":"channel","stream_id":"7","topic":"x"}')$$, 'Invalid channel ID');
UPDATE pgevents.users SET send_stream_typing_notifications = false WHERE user_id = '10';
SELECT pg_temp.rejected(format('SELECT pgevents.http_typing(%L, %L)', '{"user":"10"}',
  '{"op":"start","type":"stream"}'::jsonb || params::jsonb), wanted)
  FROM (VALUES ('{"stream_id":"99"}', 'Missing topic'),
  ('{"stream_id":"99","topic":"x"}', 'User has disabled typing notifications for channel messages'),
    ('{"stream_id":"7","topic":"x"}', 'User has disabled typing notifications for channel messages')) t (params,
    wanted);
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
SELECT pgevents.http_typing('{"user":"10"}', '{"op":"start","to":"[11]"}');
SELECT pg_temp.ok(pg_temp.news() <> '', 'direct is another choice');

-- test: an expired event is not replayed, and is not a gap
SELECT pg_temp.people();
UPDATE pgevents.settings SET value = '50 milliseconds' WHERE name = 'typing_started_expiry';
SELECT pgevents.http_typing('{"user":"10"}', '{"op":"start","to":"[11]"}'), pgevents.publish('user:11', 't', '1');
SELECT pg_temp.equal(string_agg(type, ' '), 'typing t end', 'at once')
  FROM pgevents.fetch('{user:11}', 1, NULL, 9, 9999);
SELECT pg_sleep(0.06);
SELECT pg_temp.equal(string_agg(type, ' '), 't end', 'later') FROM pgevents.fetch('{user:11}', 1, NULL, 9, 9999);
SELECT pgevents.prune();
SELECT pg_temp.equal(string_agg(type, ' '), 't end', 'pruned') FROM pgevents.fetch('{user:11}', 2, NULL, 9, 9999);
