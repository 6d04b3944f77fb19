-- Publications are accepted or rejected, never dropped: what is rejected, and what checking costs.

-- test: an unknown member of an event is rejected by its name, in every spelling of the object
SELECT pg_temp.rejected(format('INSERT INTO pgevents.events (channel_id, data) VALUES (''c'', %L)', data),
  format('Member %s is unknown: an event has type and data', name))
  FROM (VALUES ('{"type":"t","pieces":92}', '"pieces"'), ('{"type":"t","data":1,"pieces":92}', '"pieces"'),
  ('{"pieces":92,"type":"t"}', '"pieces"'),
    ('{"type":"t","":1}', '""'), ('{"type":"t","data":null,"":1}', '""'), ('{"type":"x","":1}', '""'),
    ('{ "type" : "t" , "dat" : 1 }', '"dat"'), ('{"type":"t","data":1,"ttl":5}', '"ttl"'),
    ('{"Type":"x","type":"t"}', '"Type"'), ('{"type":"t","data ":1}', '"data "'),
    ('{"type":"t","d\u0061ta":1,"d\u0061t":2}', '"dat"'),
    ('{"type":"t","data":"\u0000","x":1}', '"x"'), ('{"type":"t","\ud800":1}', '"\ud800"'),
    ('{"type":"t","a\"b\\\u0000é":1}', '"a\"b\\\u0000é"'),
    ('{"type" : "t", "data" : "\"\":", "":1}', '""'),
    (format('{"type":"t","%s":1}', repeat('x', 1000)), '"' || repeat('x', 99))) t (data, name);
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '0', 'events');

-- test: an event without unknown members is published, in every spelling of the object
INSERT INTO pgevents.events (channel_id, data) SELECT 'c', data::json
  FROM unnest(ARRAY['{"type":"t"}', '{"type":"t","data":1}', '{"type": "t", "data": 1}', '{"type" : "t", "data" : 1}',
  E'{\n\t"data" : 1 ,\n\t"type" : "t"\n}',
    '{"t\u0079pe":"t","data":"\u0000"}', '{"type":"\u0074","data":{"":1,"pieces":92}}', '{"type":"t","data":"\"\":1"}',
    '{"type" : "t", "data" : {"":1}}']) data;
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', json_build_object('type', 't', 'data', 'x')),
  ('c', jsonb_build_object('type', 't', 'data', 'x')::json),
  ('c', (SELECT row_to_json(r) FROM (SELECT 't' AS type, 1 AS data) r));
SELECT pg_temp.equal(count(*)::text || string_agg(DISTINCT type, ' '), '12t', 'events') FROM pgevents.log;

-- test: over HTTP an unknown member is rejected, whatever the setting
SELECT pg_temp.rejected(format('SELECT pgevents.http_publish(NULL, ''c'', %L, NULL)', body),
  format('Member %s is unknown: a publication has type, data and ttl', name))
  FROM unnest(ARRAY['error', 'warning']) setting, LATERAL (SELECT set_config('x.y', setting, false)) s,
    (VALUES ('{"type":"t","pieces":92}', '"pieces"'), ('{"type":"t","ttl":5,"tll":6}', '"tll"'),
    ('{"type":"t","data":"\u0000","TTL":1}', '"TTL"')) t (body, name);
UPDATE pgevents.settings SET value = 'warning' WHERE name IN ('unknown_members', 'reserved_types');
SELECT pg_temp.rejected($$SELECT pgevents.http_publish(NULL, 'c', '{"type":"t","pieces":92}', NULL)$$,
  'Member "pieces" is unknown: a publication has type, data and ttl');
SELECT pg_temp.rejected($$SELECT pgevents.http_publish(NULL, 'c', '{"type":"open"}', NULL)$$,
  'Event type ''open'' is reserved: an EventSource would take it for its own event');
SELECT pgevents.http_publish(NULL, 'c', '{"type":"t","data":1,"ttl":5}', NULL);
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '1', 'events');

-- test: event types that an EventSource uses itself are rejected, similar ones are not
SELECT pg_temp.rejected(format(statement, type),
  format('Event type ''%s'' is reserved: an EventSource would take it for its own event', type))
  FROM unnest(ARRAY['error', 'open']) type,
  unnest(ARRAY[$$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"%s"}')$$,
    $$SELECT pgevents.publish('c', '%s', '1')$$,
    $$SELECT pgevents.http_publish('{"user":"10"}', 'c', '{"type":"%s"}', NULL)$$]) statement;
SELECT pgevents.publish('c', type, '1')
  FROM unnest(ARRAY['Error', 'opened', 'message', 'error.x', 'open ', 'close']) type;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '6', 'events');

-- test: with the settings at warning both are published with a warning; a missing setting counts as error
SET client_min_messages = error;
UPDATE pgevents.settings SET value = 'warning' WHERE name IN ('unknown_members', 'reserved_types');
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"open","pieces":92}');
SELECT pgevents.publish('c', 'error', '1');
SELECT pg_temp.equal(string_agg(type || data, ' ' ORDER BY id), 'opennull error1', 'events') FROM pgevents.log;
SELECT pg_temp.equal(string_agg(type, ' '), 'open error end', 'events in the log are delivered')
  FROM pgevents.fetch('{c}', 0, NULL, 9, 999);
DELETE FROM pgevents.settings;
SELECT pg_temp.fails($$SELECT pgevents.publish('c', 'error', '1')$$, 'PT400', 'is reserved');
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t","pieces":92}')$$,
  'PT400', 'Member "pieces" is unknown');

-- test: settings are rejected by name and by value when they are written
SELECT pg_temp.rejected(format('INSERT INTO pgevents.settings VALUES (%L, %L)', name, value), wanted) FROM (VALUES
  ('retenton', '2 days', 'Setting "retenton" does not exist'), ('', '1', 'Setting "" does not exist'),
  ('Retention', '1 day', 'Setting "Retention" does not exist'),
  ('revocation_retention', '',
  'Invalid value "" for the setting "revocation_retention": must be an interval greater than 0')) t (name, value,
  wanted);
SELECT pg_temp.rejected(format('UPDATE pgevents.settings SET value = %L WHERE name = %L', value, name),
  format('Invalid value %s for the setting "%s": must be %s', to_json(value), name, wanted))
  FROM (VALUES ('retention', '7 dayz', 'an interval greater than 0'), ('unknown_members', 'off', 'error or warning'),
  ('reserved_types', 'Error', 'error or warning'),
    ('typing_rate', '0', 'off, or a number of events a minute from 1 to 1000000'),
    ('typing_rate', '1000001', 'off, or a number of events a minute from 1 to 1000000'),
    ('typing_rate', '1 minute', 'off, or a number of events a minute from 1 to 1000000'),
    ('presence_grace', '8 days', 'an interval from 1 millisecond to 7 days'),
    ('typing_started_wait', '999999999999 years', 'an interval from 1 millisecond to 7 days')) t (name, value, wanted);
SELECT pg_temp.rejected($$UPDATE pgevents.settings SET name = 'x' WHERE name = 'retention'$$,
  'Setting "x" does not exist');
SELECT pg_temp.fails($$UPDATE pgevents.settings SET value = '2 days' WHERE name = 'retenton'$$, 'PT400',
  'No row of pgevents.settings matches: ');
SELECT pg_temp.fails($$UPDATE pgevents.settings SET value = '2 days' WHERE name = 'revocation_retention'$$, 'PT400',
  'No row of pgevents.settings matches: ');
INSERT INTO pgevents.settings VALUES ('revocation_retention', '1 day')
  ON CONFLICT (name) DO UPDATE SET value = excluded.value;
INSERT INTO pgevents.settings VALUES ('revocation_retention', '2 days')
  ON CONFLICT (name) DO UPDATE SET value = excluded.value;
INSERT INTO pgevents.settings VALUES ('typing_rate', '7') ON CONFLICT DO NOTHING;
UPDATE pgevents.settings SET value = '3 days' WHERE name LIKE '%retention';
SELECT pg_temp.equal(string_agg(name || '=' || value, ' ' ORDER BY name),
  'retention=3 days revocation_retention=3 days typing_rate=off', 'written')
  FROM pgevents.settings WHERE name ~ 'retention|rate';
SELECT pg_temp.equal(string_agg(n, ' '), NULL, 'settings that no rule knows or none has') FROM
  (SELECT name AS n FROM pgevents.settings EXCEPT SELECT unnest(pgevents.setting_names())) x;

-- test: an application's report of presence is rejected if a member is misspelt
SELECT pg_temp.people();
SELECT pg_temp.rejected(format('SELECT pgevents.presence_report(%L)',
  jsonb_build_array('{"realm":"main","user":"10","status":"active"}'::jsonb, report)),
  'Invalid report: ' || report::text)
  FROM unnest(ARRAY['{"user": "10", "realm": "main", "stauts": "active"}',
  '{"user": "10", "realm": "main", "status": "away"}', '{"user": "10", "status": "idle"}',
    '{"user": 10, "realm": "main"}', '{"realm": "main"}', '[]', '"10"', 'null']::jsonb[]) report;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.presence)::text, '0', 'nothing is written');
SELECT pgevents.presence_report('[{"realm":"main","user":"10"},{"realm":"main","user":"11","status":"active"},{"realm":"main","user":"12","status":"idle"}]');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.presence)::text, '3', 'the others are');

-- test: a client cannot publish events over HTTP on channels that clients act on
SELECT pg_temp.fails(format('SELECT pgevents.http_publish(%L, %L, %L, NULL)', identity, channel,
  format('{"type":"%s"}', type)), 'PT403', message, '{"code":"FORBIDDEN"}')
  FROM unnest(ARRAY['{"user":"10"}', '{"user":"10","realm":"other"}', NULL]) identity,
    (VALUES ('presence:main', 'Nothing can be published over HTTP on a presence channel'),
    ('presence:other', 'Nothing can be'), ('presence:a:b=c', 'Nothing can be'),
      ('user:10', 'on the channel of a user'), ('user:a:b', 'on the channel of a user'),
      ('user@other:20', 'on the channel of a user'), ('user@a=3Ab:x', 'on the channel of a user'),
      ('stream:7', 'on the channel of a stream'), ('stream:a:b', 'on the channel of a stream')) c (channel, message),
    unnest(ARRAY['presence', 'typing', 'user_settings']) type;
SELECT pg_temp.fails($$SELECT pgevents.http_publish(NULL, 'presence:main', '{"type":"cheese"}', NULL)$$, 'PT403',
  'Nothing can be');
SELECT pgevents.http_publish(NULL, channel, format('{"type":"%s"}', type), NULL)
  FROM (VALUES ('user:10', 'message'), ('stream:7', 'message'), ('cheese', 'presence'), ('presence', 'typing'),
  ('userx', 'typing'), ('user@main', 'typing'), ('xpresence:main', 'presence')) t (channel, type);
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '7', 'others');
SELECT pgevents.publish('presence:main', 'presence', '{}'), pgevents.publish('user:10', 'typing', '{}');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '9', 'an application is trusted');

-- test: the channels that clients act on are those of the application's own functions
CREATE TABLE realms (id int, slug text);
INSERT INTO realms VALUES (1, 'main'), (2, 'other');
CREATE OR REPLACE FUNCTION pgevents.presence_channel(realm text) RETURNS text LANGUAGE sql STABLE
  AS 'SELECT ''p'' || r.id FROM public.realms r WHERE r.slug = realm';
CREATE OR REPLACE FUNCTION pgevents.user_channel(realm text, user_id text) RETURNS text LANGUAGE sql STABLE
  AS $$SELECT 'u_' || realm || '%' || user_id::bigint || '.end'$$;
CREATE OR REPLACE FUNCTION pgevents.stream_channel(stream_id text) RETURNS text LANGUAGE sql STABLE
  AS $$SELECT 'room-' || stream_id::bigint$$;
SELECT pg_temp.equal(string_agg(channel || ' ' || coalesce(pgevents.channel_kind(realm, channel), '-'), ', '), wanted,
  realm)
  FROM (VALUES ('main', 'p1 presence, p2 -, u_x%1.end user, u_xx1.end -, uxx%1.end -, u_x%1.en -, room-7 stream, room- -, cheese -, user:10 -'),
    ('other', 'p1 -, p2 presence, u_x%1.end user, u_xx1.end -, uxx%1.end -, u_x%1.en -, room-7 stream, room- -, cheese -, user:10 -')) r (realm, wanted),
    unnest(ARRAY['p1', 'p2', 'u_x%1.end', 'u_xx1.end', 'uxx%1.end', 'u_x%1.en', 'room-7', 'room-', 'cheese',
    'user:10']) channel GROUP BY realm, wanted;
CREATE OR REPLACE FUNCTION pgevents.presence_channel(realm text) RETURNS text LANGUAGE sql STABLE
  AS 'SELECT ''everybody''';
CREATE OR REPLACE FUNCTION pgevents.stream_channel(stream_id text) RETURNS text LANGUAGE sql STABLE
  AS 'SELECT stream_id';
SELECT pg_temp.equal(string_agg(coalesce(pgevents.channel_kind('main', channel), '-'), ' '), 'presence - -',
  'one for all realms; an id alone says nothing')
  FROM unnest(ARRAY['everybody', 'cheese', '7']) channel;
CREATE OR REPLACE FUNCTION pgevents.channel_kind(realm text,
  channel text) RETURNS text LANGUAGE sql STABLE AS 'SELECT CASE channel WHEN ''7'' THEN ''stream'' END';
SELECT pg_temp.fails($$SELECT pgevents.http_publish(NULL, '7', '{"type":"typing"}', NULL)$$, 'PT403',
  'on the channel of a stream');
SELECT pgevents.http_publish(NULL, 'everybody', '{"type":"t"}', NULL);

-- test: register names the channels that a client trusts, and null if a function gives no usable name
SELECT pg_temp.people();
SELECT pg_temp.equal(concat_ws(' ', a -> 'user_channel', a -> 'presence_channel', a -> 'stream_channel'),
  '"user@other:20" "presence:other" "stream:{stream_id}"', 'as they are')
  FROM pg_temp.ask('register', '20', '{}', 'other') a;
CREATE OR REPLACE FUNCTION pgevents.presence_channel(realm text) RETURNS text LANGUAGE sql STABLE
  AS 'SELECT NULL::text';
CREATE FUNCTION pg_temp.stream(body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer jsonb;
BEGIN
  EXECUTE format('CREATE OR REPLACE FUNCTION pgevents.stream_channel(stream_id text) RETURNS text LANGUAGE sql STABLE AS %L',
    'SELECT ' || body);
  answer := pg_temp.ask('register', '10', '{}');
  RETURN concat_ws(' ', answer -> 'channels', answer -> 'user_channel', answer -> 'presence_channel',
    answer -> 'stream_channel');
END $$;
SELECT pg_temp.equal(pg_temp.stream(body), '["user:10"] "user:10" null ' || wanted, body) FROM (VALUES
  ('''room-'' || stream_id || ''.x''', '"room-{stream_id}.x"'), ('stream_id', '"{stream_id}"'),
  ('stream_id || stream_id', 'null'), ('''all''', 'null'), ('NULL::text', 'null'),
  ('''r'' || stream_id::int', 'null'), ('md5(stream_id)', 'null'), ('1/0 || stream_id', 'null')) t (body, wanted);

-- test: keys of anonymous publishers share one space, keys of users are their own
SELECT pg_temp.equal(string_agg(pgevents.http_publish(identity::jsonb, 'c', '{"type":"t"}', 'k') ->> 'id', ' '
  ORDER BY n), '2 2 2 3 2 4', 'ids')
  FROM (VALUES (1, NULL), (2, '{}'), (3, NULL), (4, '{"user":"10"}'), (5, '{}'), (6, '{"user":"10","realm":"r"}')) t (n,
  identity);
SELECT pg_temp.fails($$SELECT pgevents.http_publish(NULL, 'c', '{"type":"other"}', 'k')$$, 'PT422',
  'already used with another body');

-- test: the cost of inspecting a text grows no faster than the text, whatever it contains
CREATE FUNCTION pg_temp.ms(statement text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  start timestamptz := clock_timestamp();
BEGIN
  EXECUTE statement;
  RETURN date_part('epoch', clock_timestamp() - start) * 1000;
END $$;
CREATE TEMP TABLE bombs AS
  SELECT 'every stand-in of before' AS what, 117000 AS size,
  (SELECT '{"type":"t","data":"\u0000\/' || string_agg('\/' || n || '~', '') || '"}'
  FROM generate_series(1, 15000) n) AS body
  UNION ALL SELECT 'the same, 1.7 MB', 1700000,
  (SELECT '{"type":"t","data":"\u0000\/' || string_agg('\/' || n || '~', '') || '"}' FROM generate_series(1, 190000) n)
  UNION ALL SELECT 'nothing but awkward escapes', 1700000, '{"type":"t","data":"' || repeat('\u0000', 283000) || '"}'
  UNION ALL SELECT 'nothing but backslashes', 1700000, '{"type":"t","data":"' || repeat('\\', 849000) || '\ud800"}'
  UNION ALL SELECT 'nearly awkward escapes', 1700000, '{"type":"t","data":"' || repeat('\u000a', 283000) || '\ud800"}'
  UNION ALL SELECT 'many members', 1700000,
  (SELECT '{"type":"t","data":{' || string_agg(format('"%s":"\u0000"', n), ',') || '}}'
  FROM generate_series(1, 100000) n);
SELECT pg_temp.ok(length(body) > size * 0.8, what || ' is as long as it should be: ' || length(body)) FROM bombs;
SELECT pg_temp.ok(ms < 2000, format('%s: %s ms', what, ms))
  FROM bombs, LATERAL pg_temp.ms(format('SELECT pgevents.http_publish(NULL, ''c'', %L, NULL)', body)) ms;
SELECT pg_temp.ok(l.data::text = substr(b.body, 20, length(b.body) - 20), 'to the byte: ' || b.what)
  FROM (SELECT id, data, row_number() OVER (ORDER BY id) AS n FROM pgevents.log) l
  JOIN (SELECT *, row_number() OVER () AS n FROM bombs) b USING (n);
-- Other texts and lists that a client sends: rejecting them is quick as well.
SELECT pg_temp.people();
SELECT pg_temp.ok(ms < 2000, format('%s: %s ms', what, ms)) FROM (VALUES
  ('unknown members of a publication',
  format($$DO 'BEGIN PERFORM pgevents.http_publish(NULL, ''c'', (SELECT ''{"type":"t",'' || string_agg(format(''"%%s":1'', n), '','') || ''}'' FROM generate_series(1, 100000) n), NULL); EXCEPTION WHEN SQLSTATE ''PT400'' THEN NULL; END'$$)),
  ('deep nesting', $$DO 'BEGIN PERFORM pgevents.http_publish(NULL, ''c'', ''{"type":"t","data":'' || repeat(''['', 1700000), NULL); EXCEPTION WHEN SQLSTATE ''PT400'' THEN NULL; END'$$),
  ('recipients', $$DO 'BEGIN PERFORM pgevents.http_typing(''{"user":"10"}'', (SELECT jsonb_build_object(''op'', ''start'', ''to'', jsonb_agg(n)) FROM generate_series(1, 200000) n)); EXCEPTION WHEN SQLSTATE ''PT400'' THEN NULL; END'$$),
  ('parameters', $$SELECT pgevents.http_settings('{"user":"10"}', (SELECT jsonb_object_agg(n, 1) FROM generate_series(1, 100000) n))$$),
  ('kinds of state', $$SELECT pgevents.http_register('{"user":"10"}', (SELECT jsonb_build_object('fetch_event_types', jsonb_agg(n::text)) FROM generate_series(1, 200000) n))$$),
  ('reports of one user', $$SELECT count(*) FROM pgevents.http_report_presence_many((SELECT jsonb_agg('{"identity":{"user":"10"},"params":{"status":"idle","ping_only":true}}'::jsonb) FROM generate_series(1, 2000)))$$),
  ('a channel of 255 bytes against the patterns',
  $$SELECT pgevents.channel_kind('main', 'user@' || repeat(':', 250)) FROM generate_series(1, 100)$$)) t (what,
  statement),
  LATERAL pg_temp.ms(statement) ms;
