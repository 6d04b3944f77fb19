-- test: registration returns all that a page needs, in the documented order and without spaces
SELECT pg_temp.people();
SELECT pg_temp.report('11', '{"status":"active"}');
SELECT pgevents.publish('c', 't', '1');
SELECT pg_temp.equal(regexp_replace(answer::text, '[0-9]{10}(\.[0-9]+)?', 'T', 'g'),
  '{"result":"success","msg":"","last_event_id":"3","channels":["user:10","presence:main"],'
  || '"user_channel":"user:10","presence_channel":"presence:main","stream_channel":"stream:{stream_id}",'
  || '"server_timestamp":T,"presence_last_update_id":1,"presences":{"11":{"active_timestamp":T,"idle_timestamp":T}},"presence_connected":[],'
  || '"user_settings":{"presence_enabled":true,"send_private_typing_notifications":true,"send_stream_typing_notifications":true,"receives_typing_notifications":true},'
  || '"server_typing_started_expiry_period_milliseconds":45000,"server_typing_started_wait_period_milliseconds":30000,"server_typing_stopped_wait_period_milliseconds":12000,'
  || '"server_presence_ping_interval_seconds":60,"server_presence_offline_threshold_seconds":200}', 'answer')
  FROM pgevents.http_register('{"user":"10","realm":"main"}', '{}') answer;
SELECT pg_temp.ok(a ->> 'server_timestamp' ~ '^[0-9]{10}\.[0-9]+$', 'server time')
  FROM pg_temp.ask('register', '10', '{}') a;

-- test: fetch_event_types limits what is read, by form and by JSON
SELECT pg_temp.people();
SELECT pg_temp.report('11', '{"status":"active"}');
SELECT pg_temp.equal(concat_ws(' ', a ? 'presences', a ? 'presence_connected', a ? 'presence_last_update_id',
  a ? 'user_settings'), wanted, params)
  FROM (VALUES ('{}', 't t t t'), ('{"fetch_event_types":null}', 't t t t'),
  ('{"fetch_event_types":"[\"presence\"]"}', 't t t f'), ('{"fetch_event_types":["user_settings"]}', 'f f f t'),
    ('{"fetch_event_types":"[]"}', 'f f f f'),
    ('{"fetch_event_types":["message","presence","user_settings","realm"]}', 't t t t'),
    ('{"fetch_event_types":["message"]}', 'f f f f')) t (params, wanted),
  LATERAL pg_temp.ask('register', '10', params::jsonb) a
  WHERE pg_temp.equal(concat_ws(' ', a ->> 'last_event_id', a -> 'channels', a ? 'server_timestamp',
  a ->> 'server_presence_ping_interval_seconds'), '2 ["user:10", "presence:main"] t 60', 'always') IS NOT NULL;

-- test: fetch_event_types is a list of strings
SELECT pg_temp.people();
SELECT pg_temp.rejected(format('SELECT pgevents.http_register(%L, %L)', '{"user":"10"}', params), wanted)
  FROM (VALUES ('{"fetch_event_types":"presence"}', 'fetch_event_types is not valid JSON'),
  ('{"fetch_event_types":"\"presence\""}', 'fetch_event_types is not a list'),
    ('{"fetch_event_types":{"presence":1}}', 'fetch_event_types is not a list'),
    ('{"fetch_event_types":true}', 'fetch_event_types is not a list'),
    ('{"fetch_event_types":["presence",1]}', 'fetch_event_types[1] is not a string'),
    ('{"fetch_event_types":"[null]"}', 'fetch_event_types[0] is not a string'),
    ('[]', 'The parameters must be a JSON object')) t (params, wanted);

-- test: the timings are those of the settings
SELECT pg_temp.people();
UPDATE pgevents.settings SET value = '90 seconds' WHERE name = 'presence_ping_interval';
UPDATE pgevents.settings SET value = '0.5 seconds' WHERE name = 'presence_offline_threshold';
UPDATE pgevents.settings SET value = '1.5 seconds' WHERE name LIKE 'typing_st%';
SELECT pg_temp.equal(string_agg(a ->> k, ' ' ORDER BY k), '0.5 90 1500 1500 1500', 'timings')
  FROM pg_temp.ask('register', '10', '{}') a, jsonb_object_keys(a) k WHERE k LIKE 'server\_%\_%s';

-- test: unusable timings are rejected when they are written
SELECT pg_temp.fails(format('UPDATE pgevents.settings SET value = %L WHERE name = %L', v, n), 'PT400',
  'must be an interval from 1 millisecond to 7 days')
  FROM unnest(ARRAY['0', '-1 second', '8 days', '999 microseconds']) v,
  unnest(ARRAY['presence_ping_interval', 'typing_started_wait']) n;
SELECT pg_temp.fails($$UPDATE pgevents.settings SET value = 'soon' WHERE name = 'presence_grace'$$, 'PT400',
  'Invalid value "soon" for the setting "presence_grace"');
UPDATE pgevents.settings SET value = '7 days' WHERE name LIKE 'presence_%';
UPDATE pgevents.settings SET value = '1 millisecond' WHERE name LIKE 'presence_%' OR name LIKE 'typing_st%';
SELECT pg_temp.ok(count(*) = 9, 'all of them') FROM pgevents.settings WHERE name LIKE 'presence_%'
  OR name LIKE 'typing_st%';

-- test: an error names a timing whose row was deleted
SELECT pg_temp.people();
DELETE FROM pgevents.settings WHERE name = 'presence_ping_interval';
SELECT pg_temp.fails($$SELECT pg_temp.report('10', '{"status":"idle"}')$$, 'P0002',
  'pgevents.settings has no row ''presence_ping_interval''');

-- test: a user's channel is theirs in their realm only, whatever the names of both
SELECT pg_temp.equal(pgevents.user_channel(realm, who), wanted, wanted)
  FROM (VALUES ('main', '10', 'user:10'), ('other', '10', 'user@other:10'), ('main', 'a:b', 'user:a:b'),
  ('a:b', '10', 'user@a=3Ab:10'), ('a=3Ab', '10', 'user@a=3D3Ab:10'), ('a', 'b:10', 'user@a:b:10'),
  ('Main', '10', 'user@Main:10'), ('main@x', '1', 'user@main@x:1')) t (realm, who, wanted);
SELECT pg_temp.equal(count(DISTINCT pgevents.user_channel(realm, who))::text, count(*)::text, 'no two are the same')
  FROM unnest(ARRAY['main', 'a', 'a:', 'a:b', 'a=', 'a=3A', 'a=3D', 'a=3Ab', '=', ':', 'user', 'user:1']) realm,
  unnest(ARRAY['1', ':1', 'b:1', '=3A1', '@a:1', 'b:1:1', '3A:1']) who;

-- test: a realm's presence channel is the one that the grant presence:{realm} allows
SELECT pg_temp.equal(pgevents.presence_channel(realm), wanted, wanted)
  FROM (VALUES ('main', 'presence:main'), ('a:b', 'presence:a=3Ab'),
  ('a=3Ab', 'presence:a=3D3Ab')) t (realm, wanted);

-- test: in another realm the channels are that realm's
SELECT pg_temp.people();
SELECT pg_temp.equal((a -> 'channels')::text, '["user@other:20", "presence:other"]', 'channels')
  FROM pg_temp.ask('register', '20', '{}', 'other') a;

-- test: an application may choose other channels, or none
SELECT pg_temp.people();
CREATE OR REPLACE FUNCTION pgevents.user_channel(realm text, user_id text) RETURNS text LANGUAGE sql AS $$
  SELECT 'u.' || user_id $$;
CREATE OR REPLACE FUNCTION pgevents.presence_channel(realm text) RETURNS text LANGUAGE sql AS $$ SELECT NULL::text $$;
SELECT pg_temp.equal((a -> 'channels')::text, '["u.10"]', 'at registration') FROM pg_temp.ask('register', '10', '{}') a;
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.ask('typing', '10', '{"op":"start","to":[11]}');
SELECT pg_temp.equal(string_agg(channel_id || ' ' || type, ', ' ORDER BY id), 'u.10 typing, u.11 typing', 'events')
  FROM pgevents.log;
SELECT pg_temp.ok(flushed_id = 1 AND NOT is_dirty, 'presence without a channel counts as reported')
  FROM pgevents.presence_realms;
