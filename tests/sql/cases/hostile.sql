-- What clients may send. The front-ends reject a JSON body with values that jsonb cannot store, and NUL characters
-- anywhere; all other requests arrive here. None may cause a server error: a rejected request gets PT4xx.

-- test: no parameter of a form, whatever its value, causes an error of another kind
SELECT pg_temp.people();
CREATE TEMP TABLE bad AS SELECT v
  FROM unnest(ARRAY['', ' ', 'null', 'true', 'yes', '1', '-1', '0', '1.5', '1e400', '1e131071', '1e131072',
  '1e9999999999', '-0', '99999999999999999999999999', 'NaN', 'Infinity',
  '"\u0000"', '"\ud800"', '"\udc00\ud800"', '["\u0000"]', '["\ud800"]', '[1e400]', '[1e131071]', '[[[[]]]]', '[null]',
  '[true]', '[{}]', '{}', '{"a":1}', '[]', '[,]', '[1', '"', '\', '''', '%', '%s%n', '{"\u0000":1}',
  '"10"', '["10"]', '[" 10"]', '["10\n"]', U&'\FEFF10', U&'[10]\00A0', U&'\+01F600', E'\x01\x02\x7f', 'active', 'idle',
  'start', 'stop', 'direct', 'stream', 'Robert''); DROP TABLE pgevents.users;--',
  repeat('x', 1000000), repeat('[', 1000000), repeat('9', 1000000), '[' || repeat('1,', 100000) || '1]',
  '["' || repeat('x', 1000000) || '"]', '"' || repeat(U&'\00FC', 300) || '"']) v;
CREATE FUNCTION pg_temp.try(what text, params jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN length(pg_temp.ask(what, '10', params)::text);
EXCEPTION WHEN SQLSTATE 'PT400' THEN
  RETURN SQLERRM;
END $$;
CREATE TEMP TABLE good AS SELECT *
  FROM (VALUES ('report_presence',
  '{"status":"idle","ping_only":"false","new_user_input":"true","slim_presence":"true","last_update_id":"0","history_limit_days":"1"}'::jsonb),
  ('user_presence', '{"user_id":"11","slim_presence":"true"}'), ('realm_presence', '{}'),
  ('register', '{"fetch_event_types":"[]"}'), ('typing', '{"op":"start","type":"direct","to":"[11]"}'),
  ('typing', '{"op":"start","type":"stream","stream_id":"7","topic":"x"}'),
  ('settings', '{"presence_enabled":"true","send_private_typing_notifications":"true","send_stream_typing_notifications":"true",
  "receives_typing_notifications":"true"}')) t (what, params);
INSERT INTO pgevents.streams VALUES ('7', 'main', 'general');
INSERT INTO pgevents.stream_members VALUES ('7', '10');
CREATE TEMP TABLE answers AS SELECT what, p, v, pg_temp.try(what, params || jsonb_build_object(p, v)) AS answer
  FROM good, jsonb_object_keys(params || '{"unknown":1}') p, bad;
SELECT pg_temp.ok(count(*) > 1000 AND count(*) = count(answer), 'all of them: ' || count(*)) FROM answers;
SELECT pg_temp.ok(count(*) > 100, 'some are answered') FROM answers WHERE answer ~ '^[0-9]+$';
SELECT pg_temp.equal(string_agg(DISTINCT left(answer, 30), ', '), NULL, 'refusals are short') FROM answers
  WHERE octet_length(answer) > 250;

-- test: no value of a JSON body causes an error of another kind
SELECT pg_temp.people();
CREATE FUNCTION pg_temp.try(what text, params jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN length(pg_temp.ask(what, '10', params)::text);
EXCEPTION WHEN SQLSTATE 'PT400' THEN
  RETURN SQLERRM;
END $$;
SELECT pg_temp.ok(pg_temp.try(what, params || jsonb_build_object(p, v)) <> '', concat_ws(' ', what, p, v))
  FROM (VALUES ('report_presence',
  '{"status":"idle","ping_only":false,"new_user_input":true,"slim_presence":true,"last_update_id":0,"history_limit_days":1}'::jsonb), ('user_presence', '{"user_id":"11"}'),
    ('register', '{"fetch_event_types":[]}'), ('typing', '{"op":"start","type":"direct","to":[11]}'),
    ('typing', '{"op":"start","type":"stream","stream_id":"7","topic":"x"}'),
    ('settings', '{"presence_enabled":true}')) t (what, params), jsonb_object_keys(params) p,
  unnest(ARRAY['null', 'true', '0', '-1', '1.5', '1e300', '-1e-300', '9223372036854775807', '9223372036854775808',
  '-9223372036854775808', '""', '"x"', '"1"', '[]', '[[]]', '[null,{}]', '{}', '{"a":{"b":[]}}']::jsonb[]) v;

-- test: users may have any name that a token allows, everywhere
CREATE TEMP TABLE names AS SELECT n, row_number() OVER () AS place
  FROM unnest(ARRAY['a"b', 'a\b', 'a''b', '\u0000', '{"a":1}', '[1]', ' ', 'a,b', 'a:b', '@', U&'\00FC\+01F600', '',
  '0', '-1', '1e3', 'null', 'me',
  repeat(U&'\00FC', 127), repeat('x', 255)]) n WHERE n <> '';
INSERT INTO pgevents.users (realm, user_id) SELECT realm, n FROM names, unnest(ARRAY['main', 'o:"=']) realm;
INSERT INTO pgevents.streams VALUES ('s"', 'o:"=', 'a"b');
INSERT INTO pgevents.stream_members SELECT 's"', n FROM names;
SELECT pgevents.holder_open() AS h \gset
SELECT pgevents.presence_contacts(:h,
  (SELECT jsonb_agg(jsonb_build_object('realm', realm, 'user', n)) FROM names, unnest(ARRAY['main', 'o:"=']) realm));
SELECT pg_temp.later(), pgevents.presence_tick();
SELECT pg_temp.report(n, '{"status":"active"}', realm),
  pgevents.presence_poll(jsonb_build_object('user', n, 'realm', realm), 5),
  pg_temp.ask('user_presence', '0', jsonb_build_object('user_id', n), realm)
  FROM names, unnest(ARRAY['main', 'o:"=']) realm;
SELECT pg_temp.equal((SELECT string_agg(k, ' ' ORDER BY k COLLATE "C") FROM jsonb_object_keys(a -> 'presences') k),
  (SELECT string_agg(n, ' ' ORDER BY n COLLATE "C") FROM names), realm)
  FROM unnest(ARRAY['main', 'o:"=']) realm, pg_temp.ask('register', '0', '{}', realm) a;
SELECT pg_temp.equal(jsonb_array_length(a -> 'presence_connected')::text, (SELECT count(*) FROM names)::text,
  'connected') FROM pg_temp.ask('register', '0', '{}') a;
SELECT pg_temp.news();
SELECT pg_temp.ask('typing', n, jsonb_build_object('op', 'start', 'to', (SELECT jsonb_agg(m.n) FROM names m)), 'o:"='),
  pg_temp.ask('typing', n, '{"op":"stop","type":"stream","stream_id":"s\"","topic":"\"\\"}', 'o:"=')
  FROM names WHERE place <= 3;
SELECT pg_temp.equal(count(*) || ' ' || count(DISTINCT channel_id),
  concat(3 * (SELECT count(*) FILTER (WHERE octet_length(n) <= 244) FROM names) + 3, ' ',
  (SELECT count(*) FILTER (WHERE octet_length(n) <= 244) FROM names) + 1), 'typing')
  FROM pgevents.log WHERE type = 'typing' AND data ->> 'message_type' IN ('direct', 'stream');
SELECT pg_temp.equal(min(data -> 'recipients' -> place::int - 1 ->> 'user_id'), n, 'named') FROM names, pgevents.log
  WHERE type = 'typing' AND data ->> 'message_type' = 'direct' GROUP BY n, place;

-- test: the directory rejects names that are not text of 1 to 255 bytes
SELECT pg_temp.fails(format('INSERT INTO pgevents.users (realm, user_id) VALUES (%L, %L)', realm, who), state, '')
  FROM (VALUES ('main', '', '23514'), ('', '10', '23514'), ('main', repeat('x', 256), '23514'),
  ('main', E'a\nb', '23514'), (repeat('x', 256), '10', '23514'), ('main', NULL, '23502'),
  (E'a\x7f', '1', '23514')) t (realm, who, state);
SELECT pg_temp.fails($$INSERT INTO pgevents.users (user_id, joined_at) VALUES ('10', 'infinity')$$, '23514', '');
SELECT pg_temp.fails(format('INSERT INTO pgevents.streams (stream_id, name) VALUES (%L, %L)', id, name), state, '')
  FROM (VALUES ('', 'x', '23514'), ('7', NULL, '23502'), (E'\t', 'x', '23514')) t (id, name, state);
