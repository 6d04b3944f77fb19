-- test: a user changes any of their own flags, and their other pages get an event with the changed flags
SELECT pg_temp.people();
SELECT pg_temp.equal(pgevents.http_settings('{"user":"10"}',
  '{"send_stream_typing_notifications":"false","receives_typing_notifications":false}')::text,
  '{"result":"success","msg":""}', 'answer');
SELECT pg_temp.equal(string_agg(concat_ws(' ', user_id, presence_enabled, send_private_typing_notifications,
  send_stream_typing_notifications, receives_typing_notifications), ', ' ORDER BY user_id),
  '10 t t f f, 11 t t t t', 'rows') FROM pgevents.users WHERE user_id IN ('10', '11');
SELECT pg_temp.equal(string_agg(channel_id || ' ' || type || ' ' || data, E'\n' ORDER BY id),
  'user:10 user_settings {"send_stream_typing_notifications":false,"receives_typing_notifications":false}', 'event')
  FROM pgevents.log;
SELECT pg_temp.equal((a -> 'user_settings')::text,
  '{"presence_enabled": true, "receives_typing_notifications": false, "send_stream_typing_notifications": false, "send_private_typing_notifications": true}',
  'at registration') FROM pg_temp.ask('register', '10', '{}') a;
SELECT pg_temp.ask('settings', '10',
  '{"send_private_typing_notifications":"false","send_stream_typing_notifications":true,"presence_enabled":null}');
SELECT pg_temp.equal(concat_ws(' ', presence_enabled, send_private_typing_notifications,
  send_stream_typing_notifications, receives_typing_notifications), 't f t f', 'row')
  FROM pgevents.users WHERE user_id = '10';

-- test: without a flag nothing changes, and unknown parameters are listed
SELECT pg_temp.people();
SELECT pg_temp.equal(pgevents.http_settings('{"user":"10"}', '{"is_bot":"true","user_id":"11"}')::text,
  '{"result":"success","msg":"","ignored_parameters_unsupported":["is_bot","user_id"]}', 'answer');
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
SELECT pg_temp.equal(string_agg(user_id, ' '), 'bot', 'bots') FROM pgevents.users WHERE is_bot;

-- test: flags are booleans, and any other value changes nothing
SELECT pg_temp.people();
SELECT pg_temp.rejected(format('SELECT pgevents.http_settings(%L, %L)', '{"user":"10"}',
  format('{"presence_enabled":false,"%s":%s}', flag, v)), flag || wanted)
  FROM unnest(ARRAY['send_private_typing_notifications', 'send_stream_typing_notifications',
  'receives_typing_notifications']) flag,
       (VALUES ('"1"', ' is not a boolean'), ('0', ' is not a boolean'), ('"yes"', ' is not valid JSON'),
       ('"null"', ' is not a boolean'), ('"[]"', ' is not a boolean')) t (v, wanted);
SELECT pg_temp.rejected($$SELECT pgevents.http_settings('{"user":"10"}', '{"presence_enabled":"True"}')$$,
  'presence_enabled is not valid JSON');
SELECT pg_temp.rejected($$SELECT pgevents.http_settings('{"user":"10"}', '[]')$$,
  'The parameters must be a JSON object');
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
SELECT pg_temp.ok(bool_and(presence_enabled), 'users') FROM pgevents.users;

-- test: switching presence off moves a recent activity back to where all take it for offline, and publishes it
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.report('11', '{"status":"active"}'), pg_temp.later(),
  pgevents.presence_tick(), pg_temp.later();
SELECT pg_temp.news();
SELECT pg_temp.ask('settings', '10', '{"presence_enabled":"false"}');
SELECT pg_temp.ok(active_at = idle_at AND round(date_part('epoch', clock_timestamp() - idle_at)) = 265,
  'row: ' || idle_at) FROM pgevents.presence WHERE user_id = '10';
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'user:10 user_settings {"presence_enabled": false}', 'presence:main presence 10'), 'events');
SELECT pg_temp.equal(a #>> '{presence,aggregated,status}', 'offline', 'to others')
  FROM pg_temp.ask('user_presence', '11', '{"user_id":"10"}') a;
SELECT pg_temp.equal((SELECT string_agg(k, ' ') FROM jsonb_object_keys(a -> 'presences') k), '10', 'incremental')
  FROM pg_temp.report('11', '{"status":"active","last_update_id":2}') a;

-- test: switching presence off never moves a time forward
SELECT pg_temp.people();
SELECT pg_temp.report(who, '{"status":"active"}') FROM unnest(ARRAY['10', '11', '12']) who;
SELECT pg_temp.was_idle('10', '1 hour'), pg_temp.was_active('11', '1 hour'), pg_temp.was_idle('12', '260 seconds');
SELECT pg_temp.ask('settings', who, '{"presence_enabled":"false"}') FROM unnest(ARRAY['10', '11', '12']) who;
SELECT pg_temp.equal(string_agg(concat_ws(' ', user_id, round(date_part('epoch', clock_timestamp() - active_at)),
  round(date_part('epoch', clock_timestamp() - idle_at))), ', ' ORDER BY user_id),
  '10 3600 3600, 11 3600 265, 12 265 265', 'ages') FROM pgevents.presence;

-- test: switching presence off keeps an activity that never was
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"idle"}'), pg_temp.ask('settings', '10', '{"presence_enabled":"false"}');
SELECT pg_temp.ok(active_at IS NULL AND round(date_part('epoch', clock_timestamp() - idle_at)) = 265, 'row')
  FROM pgevents.presence;

-- test: switching presence off creates no row
SELECT pg_temp.people();
SELECT pg_temp.ask('settings', '10', '{"presence_enabled":"false"}');
SELECT pg_temp.equal(count(*)::text, '0', 'rows') FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(), 'user:10 user_settings {"presence_enabled": false}', 'events');

-- test: switching presence on makes an active row with the present time, and publishes it
SELECT pg_temp.people();
SELECT pg_temp.report('11', '{"status":"idle"}'), pg_temp.was_idle('11', '1 hour'), pg_temp.later();
UPDATE pgevents.users SET presence_enabled = false;
SELECT pg_temp.news();
SELECT pg_temp.ask('settings', who, '{"presence_enabled":"true"}'), pg_temp.later() FROM unnest(ARRAY['10', '11']) who;
SELECT pg_temp.equal(string_agg(concat_ws(' ', user_id, active_at = idle_at, idle_at > now() - interval '1 minute'),
  ', ' ORDER BY user_id), '10 t t, 11 t t', 'rows') FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'user:10 user_settings {"presence_enabled": true}', 'presence:main presence 10',
  'user:11 user_settings {"presence_enabled": true}', 'presence:main presence 11'), 'events');

-- test: switching presence to its present value moves nothing
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"idle"}');
UPDATE pgevents.users SET presence_enabled = false WHERE user_id = '11';
CREATE TEMP TABLE before AS SELECT * FROM pgevents.presence;
SELECT pg_temp.later(), pg_temp.news();
SELECT pg_temp.ask('settings', '10', '{"presence_enabled":true}'),
  pg_temp.ask('settings', '11', '{"presence_enabled":false}');
SELECT pg_temp.equal((SELECT string_agg(p::text, ' ') FROM pgevents.presence p),
  (SELECT string_agg(b::text, ' ') FROM before b), 'rows');
SELECT pg_temp.equal(pg_temp.news(), concat_ws(E'\n', 'user:10 user_settings {"presence_enabled": true}',
  'user:11 user_settings {"presence_enabled": false}'), 'events');

-- test: if the application has switched presence off itself, switching it off again corrects the times
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.later();
UPDATE pgevents.users SET presence_enabled = false WHERE user_id = '10';
SELECT pg_temp.news();
SELECT pg_temp.ask('settings', '10', '{"presence_enabled":false}');
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'user:10 user_settings {"presence_enabled": false}', 'presence:main presence 10'), 'events');

-- test: a user's settings belong to their realm
SELECT pg_temp.people();
INSERT INTO pgevents.users (realm, user_id) VALUES ('other', '10');
SELECT pg_temp.report('10', '{"status":"active"}', realm) FROM unnest(ARRAY['main', 'other']) realm;
SELECT pg_temp.later(), pg_temp.news();
SELECT pg_temp.ask('settings', '10', '{"presence_enabled":false}', 'other');
SELECT pg_temp.equal(string_agg(realm, ' '), 'other', 'users') FROM pgevents.users WHERE NOT presence_enabled;
SELECT pg_temp.equal(string_agg(realm, ' '), 'main', 'still active') FROM pgevents.presence
  WHERE idle_at > now() - interval '1 minute';
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'user@other:10 user_settings {"presence_enabled": false}', 'presence:other presence 10'), 'events');

-- test: a bot has settings, and gets no presence by them
SELECT pg_temp.people();
UPDATE pgevents.users SET presence_enabled = false WHERE user_id = 'bot';
SELECT pg_temp.ask('settings', 'bot', '{"presence_enabled":true,"receives_typing_notifications":false}');
SELECT pg_temp.ok(presence_enabled AND NOT receives_typing_notifications, 'user') FROM pgevents.users
  WHERE user_id = 'bot';
SELECT pg_temp.equal(count(*)::text, '0', 'rows') FROM pgevents.presence;
