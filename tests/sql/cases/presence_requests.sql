-- test: a wrong request for a single user names the fault
SELECT pg_temp.people();
SELECT pg_temp.report('20', '{"status":"active"}', 'other'), pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.rejected(format($$SELECT pgevents.http_user_presence('{"user":"10"}', '{"user_id":"%s"}')$$, id), wanted)
  FROM (VALUES ('nobody', 'No such user'), ('gone', 'No such user'), ('20', 'No such user'), ('', 'No such user'),
    ('bot', 'Presence is not supported for bot users.'), ('11', 'No presence data for 11')) t (id, wanted);
SELECT pg_temp.rejected($$SELECT pgevents.http_user_presence('{"user":"10"}', '{}')$$, 'No such user');
SELECT pg_temp.rejected($$SELECT pgevents.http_user_presence('{"user":"10"}', '{"user_id":"10","slim_presence":"1"}')$$,
  'slim_presence is not a boolean');
SELECT pg_temp.rejected($$SELECT pgevents.http_user_presence('{"user":"20","realm":"other"}', '{"user_id":"10"}')$$,
  'No such user');
SELECT pg_temp.ok(pg_temp.ask('user_presence', '10', '{"user_id":10}') ? 'presence', 'the id may be a number');

-- test: a wrong report names the fault
SELECT pg_temp.people();
SELECT pg_temp.rejected(format('SELECT pg_temp.report(%L, %L)', '10', params), wanted,
  coalesce(detail, '{"code":"BAD_REQUEST"}'))
  FROM (VALUES ('{}', 'Missing ''status'' argument', '{"code":"REQUEST_VARIABLE_MISSING","var_name":"status"}'),
    ('{"status":null}', 'Missing ''status'' argument', '{"code":"REQUEST_VARIABLE_MISSING","var_name":"status"}'),
    ('{"status":"foo"}', 'Invalid status: foo', NULL), ('{"status":""}', 'Invalid status: ', NULL),
    ('{"status":"Active"}', 'Invalid status: Active', NULL),
    ('{"status":1}', 'status is not a string', NULL), ('[]', 'The parameters must be a JSON object', NULL),
    ('"x"', 'The parameters must be a JSON object', NULL),
    ('{"status":"idle","ping_only":"yes"}', 'ping_only is not valid JSON', NULL),
    ('{"status":"idle","ping_only":""}', 'ping_only is not valid JSON', NULL),
    ('{"status":"idle","ping_only":"1"}', 'ping_only is not a boolean', NULL),
    ('{"status":"idle","ping_only":1}', 'ping_only is not a boolean', NULL),
    ('{"status":"idle","ping_only":"null"}', 'ping_only is not a boolean', NULL),
    ('{"status":"idle","ping_only":"\"true\""}', 'ping_only is not a boolean', NULL),
    ('{"status":"idle","new_user_input":"0"}', 'new_user_input is not a boolean', NULL),
    ('{"status":"idle","new_user_input":"True"}', 'new_user_input is not valid JSON', NULL),
    ('{"status":"idle","slim_presence":[true]}', 'slim_presence is not a boolean', NULL),
    ('{"status":"idle","last_update_id":"x"}', 'last_update_id is not valid JSON', NULL),
    ('{"status":"idle","last_update_id":"1.5"}', 'last_update_id is not an integer', NULL),
    ('{"status":"idle","last_update_id":"true"}', 'last_update_id is not an integer', NULL),
    ('{"status":"idle","last_update_id":"1e99999"}', 'last_update_id is not an integer', NULL),
    ('{"status":"idle","last_update_id":"1e9999999"}', 'last_update_id is not valid JSON', NULL),
    ('{"status":"idle","last_update_id":12345678901234567890}', 'last_update_id is not an integer', NULL),
    ('{"status":"idle","last_update_id":"\"\\u0000\""}', 'last_update_id is not valid JSON', NULL),
    ('{"status":"idle","history_limit_days":"[]"}', 'history_limit_days is not an integer', NULL),
    ('{"status":"idle","history_limit_days":"1 2"}', 'history_limit_days is not valid JSON', NULL),
    ('{"status":"foo","ping_only":"1"}', 'ping_only is not a boolean', NULL)) t (params, wanted, detail);
SELECT pg_temp.rejected(format('SELECT pg_temp.report(%L, %L)', '10',
  jsonb_build_object('status', 'idle', 'ping_only', repeat('[', 100000))), 'ping_only is not valid JSON');
SELECT pg_temp.equal(count(*)::text, '0', 'rows') FROM pgevents.presence;
SELECT pg_temp.ok(pg_temp.report('10',
  '{"status":"idle","ping_only":null,"last_update_id":null,"slim_presence":" true "}') ? 'presences',
  'null in a body is absent');

-- test: an unknown user is rejected, on every path
SELECT pg_temp.people();
SELECT pg_temp.fails(format('SELECT pgevents.http_%s(%L, %L)', path, who,
  '{"status":"idle","user_id":"10","op":"start","to":"[11]"}'), 'PT401',
    'Authentication required', '{"code":"UNAUTHORIZED"}')
  FROM unnest(ARRAY['register', 'report_presence', 'user_presence', 'realm_presence', 'typing', 'settings']) path,
       unnest(ARRAY[NULL, '{}', '{"user":""}', '{"user":null,"realm":"main"}']) who;
SELECT pg_temp.rejected(format('SELECT pgevents.http_%s(%L, %L)', path, who,
  '{"status":"idle","user_id":"10","op":"start","to":"[11]"}'), 'No such user')
  FROM unnest(ARRAY['register', 'report_presence', 'user_presence', 'realm_presence', 'typing', 'settings']) path,
       unnest(ARRAY['{"user":"nobody"}', '{"user":"gone"}', '{"user":"10","realm":"other"}', '{"user":"20"}',
       '{"user":"10","realm":"main "}']) who;
SELECT pg_temp.rejected($$SELECT pg_temp.report('bot', '{"status":"idle"}')$$,
  'Presence is not supported for bot users.');
SELECT pg_temp.equal(count(*)::text, '0', 'rows') FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');

-- test: the realm is main if the identity has none
SELECT pg_temp.people();
SELECT pgevents.http_report_presence(who::jsonb, '{"status":"idle"}')
  FROM (VALUES ('{"user":"10"}'), ('{"user":"11","realm":null}'), ('{"user":12,"realm":""}')) t (who);
SELECT pg_temp.equal(string_agg(realm || user_id, ' ' ORDER BY user_id), 'main10 main11 main12', 'rows')
  FROM pgevents.presence;

-- test: ping_only is answered without any presence, and counts as a report
SELECT pg_temp.people();
SELECT pg_temp.equal(pgevents.http_report_presence('{"user":"10"}',
  '{"status":"active","ping_only":"true","new_user_input":"true","last_update_id":"-1"}')::text,
  '{"result":"success","msg":""}', 'answer');
SELECT pg_temp.equal(count(*)::text, '1', 'rows') FROM pgevents.presence;
SELECT pg_temp.ok(pg_temp.report('10', '{"status":"active","ping_only":"false"}') ? 'presences', 'false');

-- test: unknown parameters succeed and are listed
SELECT pg_temp.people();
SELECT pg_temp.equal(pgevents.http_report_presence('{"user":"10"}',
  '{"status":"idle","ping_only":"true","zeta":1,"Alpha":"x"}')::text,
  '{"result":"success","msg":"","ignored_parameters_unsupported":["Alpha","zeta"]}', 'report');
SELECT pg_temp.equal((a -> 'ignored_parameters_unsupported')::text, '["status"]', path)
  FROM unnest(ARRAY['register', 'realm_presence', 'settings', 'typing', 'user_presence']) path,
  LATERAL pg_temp.ask(path, '10', '{"status":"x"}'::jsonb || CASE path WHEN 'typing' THEN '{"op":"stop","to":[11]}'
  WHEN 'user_presence' THEN '{"user_id":"10"}' ELSE '{}' END::jsonb) a;

-- test: realms never see each other
SELECT pg_temp.people();
INSERT INTO pgevents.users (realm, user_id) VALUES ('other', '10');
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.report('11', '{"status":"active"}'),
  pg_temp.report('20', '{"status":"active"}', 'other');
SELECT pg_temp.equal(string_agg(k, ' ' ORDER BY k), wanted, realm)
  FROM (VALUES ('main', '10', '10 11'), ('other', '20', '20')) t (realm, who, wanted),
  LATERAL unnest(ARRAY[pg_temp.ask('realm_presence', who, '{}', realm), pg_temp.ask('register', who, '{}', realm),
    pg_temp.report(who, '{"status":"active"}', realm),
    pg_temp.report(who, '{"status":"active","last_update_id":0}', realm)]) WITH ORDINALITY a (answer, n),
  LATERAL jsonb_object_keys(answer -> 'presences') k GROUP BY realm, wanted, n;
SELECT pg_temp.equal(a -> 'presences' ->> '20', NULL, 'by id')
  FROM pg_temp.report('11', '{"status":"active","last_update_id":1}') a;
SELECT pg_temp.rejected($$SELECT pgevents.http_user_presence('{"user":"20","realm":"other"}', '{"user_id":"10"}')$$,
  'No presence data for 10');
SELECT pg_temp.equal(string_agg(DISTINCT l.channel_id || ' ' || k, ', '), 'presence:main 10, presence:other 20',
  'events') FROM pgevents.log l, json_object_keys(data -> 'presences') k WHERE k <> '11';
SELECT pgevents.presence_report('[{"realm":"other","user":"10","status":"active"}]');
SELECT pg_temp.ok(max(update_id) FILTER (WHERE realm = 'other') > max(update_id) FILTER (WHERE realm = 'main'),
  'rows of the same id in two realms') FROM pgevents.presence WHERE user_id = '10';

-- test: bots and deactivated users are left out everywhere
SELECT pg_temp.people();
SELECT pg_temp.report('11', '{"status":"active"}'), pg_temp.report('12', '{"status":"active"}'), pg_temp.later();
SELECT pg_temp.news();
UPDATE pgevents.users SET is_active = false WHERE user_id = '11';
UPDATE pgevents.users SET is_bot = true WHERE user_id = '12';
SELECT pg_temp.equal(string_agg(k, ' '), '10', 'answer') FROM pg_temp.report('10', '{"status":"active"}') a,
  jsonb_object_keys(a -> 'presences') k;
SELECT pg_temp.equal(string_agg(k, ' '), NULL, 'incremental')
  FROM pg_temp.report('10', '{"status":"active","last_update_id":3}') a, jsonb_object_keys(a -> 'presences') k;
SELECT pg_temp.equal(string_agg(k, ' '), '10', 'register')
  FROM pg_temp.ask('register', '10', '{}') a, jsonb_object_keys(a -> 'presences') k;
SELECT pg_temp.equal(pgevents.presence_report('[{"realm":"main","user":"11"},{"realm":"main","user":"12"},{"realm":"main","user":"nobody"}]')::text, '0', 'reports of them');
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10', 'events');

-- test: with presence off nothing about the user is written or published, and they see the others
SELECT pg_temp.people();
SELECT pg_temp.report('11', '{"status":"active"}');
SELECT pg_temp.news();
UPDATE pgevents.users SET presence_enabled = false WHERE user_id = '10';
SELECT pg_temp.equal(string_agg(k, ' '), '11', 'answer') FROM pg_temp.report('10', '{"status":"active"}') a,
  jsonb_object_keys(a -> 'presences') k;
SELECT pg_temp.equal(string_agg(user_id, ' '), '11', 'rows') FROM pgevents.presence;
UPDATE pgevents.users SET presence_enabled = false WHERE user_id = '11';
SELECT pg_temp.was_idle('11', '1 hour'), pg_temp.report('11', '{"status":"active"}'), pg_temp.later(),
  pgevents.presence_tick();
SELECT pg_temp.ok(active_at < now() - interval '59 minutes' AND update_id = 1, 'row') FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');

-- test: changes at the same time share an event, the first is published at once, the last event has the final state
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"idle"}');
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10', 'at once');
SELECT pg_temp.report('11', '{"status":"idle"}'), pg_temp.report('12', '{"status":"active"}'),
  pg_temp.report('11', '{"status":"active"}');
SELECT pg_temp.equal(pg_temp.news(), NULL, 'kept back');
SELECT pg_temp.ok(pgevents.presence_tick() BETWEEN 10 AND 500, 'not due yet');
SELECT pg_temp.equal(pg_temp.news(), NULL, 'still kept back');
SELECT pg_temp.later();
SELECT pg_temp.equal(pgevents.presence_tick()::text, '500', 'nothing else is due');
SELECT pg_temp.equal(data #>> '{presences,11,active_timestamp}', pgevents.epoch(active_at)::text, 'the last of two')
  FROM pgevents.log l, pgevents.presence p WHERE user_id = '11' AND id = 3;
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 11,12', 'together');
SELECT pg_temp.later(), pgevents.presence_tick(), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'once');

-- test: the tick returns when the next event is due
SELECT pg_temp.people();
UPDATE pgevents.settings SET value = '10 minutes' WHERE name = 'presence_flush_window';
SELECT pg_temp.equal(pgevents.presence_tick()::text, '500', 'nothing to do');
SELECT pg_temp.report('10', '{"status":"idle"}'), pg_temp.report('11', '{"status":"idle"}');
SELECT pg_temp.equal(pgevents.presence_tick()::text, '500', 'far away');
UPDATE pgevents.presence_realms SET flushed_at = clock_timestamp() - interval '9 minutes 59.8 seconds';
SELECT pg_temp.ok(wait BETWEEN 10 AND 201, 'near: ' || wait) FROM pgevents.presence_tick() wait;

-- test: presence events expire after an hour, events about connections do not
SELECT pg_temp.people();
SELECT pgevents.presence_contacts(pgevents.holder_open(), '[{"realm":"main","user":"10"}]');
SELECT pg_temp.equal(string_agg(type || ' ' || coalesce(round(ttl_ms / 10000.0), -1), ', ' ORDER BY id),
  'presence 360, pgevents.connected -1', 'time to live in 10 s') FROM pgevents.log_after(0, 9);

-- test: several reports of one user in a batch count as one, active if any is
SELECT pg_temp.people();
SELECT pg_temp.equal(pgevents.presence_report('[{"realm":"main","user":"10","status":"idle"},{"realm":"main","user":"10","status":"active"},{"realm":"main","user":"10"},{"realm":"other","user":"20"}]')::text, '2', 'rows written');
SELECT pg_temp.equal(string_agg(concat_ws(' ', user_id, active_at IS NOT NULL), ', ' ORDER BY user_id), '10 t, 20 f',
  'rows') FROM pgevents.presence;
SELECT pg_temp.equal(pgevents.presence_report(nothing)::text, '0', 'no reports')
  FROM unnest(ARRAY['[]', NULL]::jsonb[]) nothing;

-- test: many requests in one transaction get an answer each, and a faulty one does not affect the others
SELECT pg_temp.people();
SELECT pg_temp.equal(string_agg(concat_ws(' ',
  (SELECT string_agg(k, ',' ORDER BY k) FROM json_object_keys(answer -> 'presences') k), answer ->> 'msg', state,
  message, detail), E'\n' ORDER BY n),
  concat_ws(E'\n', '10,11 ', 'PT400 Invalid status: foo {"code":"BAD_REQUEST"}',
  'PT401 Authentication required {"code":"UNAUTHORIZED"}', '',
    'PT400 Missing ''status'' argument {"code": "REQUEST_VARIABLE_MISSING", "var_name": "status"}', '20 ',
    'PT400 No such user {"code":"BAD_REQUEST"}'), 'answers')
  FROM pgevents.http_report_presence_many('[{"identity":{"user":"10"},"params":{"status":"active"}},{"identity":{"user":"10"},"params":{"status":"foo"}},{"params":{"status":"active"}},
      {"identity":{"user":"11"},"params":{"status":"idle","ping_only":"true"}},{"identity":{"user":"11"},"params":{}},
      {"identity":{"user":"20","realm":"other"},"params":{"status":"active"}},{"identity":{"user":"nobody"},"params":{"status":"active"}}]') WITH ORDINALITY m (answer, state, message, detail, n);
SELECT pg_temp.equal(string_agg(user_id, ' ' ORDER BY user_id), '10 11 20', 'rows') FROM pgevents.presence;
SELECT pg_temp.equal(count(*)::text, '0', 'none') FROM pgevents.http_report_presence_many('[]');

-- test: the shared state of a realm can be asked for separately, and put together gives the same answer
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active","ping_only":"true"}');
SELECT pg_temp.report('11', '{"status":"active","ping_only":"true"}');
CREATE FUNCTION pg_temp.put_together(answer json) RETURNS text LANGUAGE sql AS $$
  SELECT replace(answer::text, '"presence_state":' || (answer -> 'presence_state')::text,
    pgevents.http_presence_state((answer -> 'presence_state')::jsonb))
$$;
CREATE FUNCTION pg_temp.without_times(answer text) RETURNS text LANGUAGE sql AS $$
  SELECT regexp_replace(answer, '"server_timestamp":[0-9.]+', '', 'g')
$$;
SELECT pg_temp.ok(apart -> 'presence_state' IS NOT NULL AND apart -> 'presences' IS NULL, 'apart: ' || name),
       pg_temp.equal(pg_temp.without_times(pg_temp.put_together(apart)), pg_temp.without_times(whole::text), name)
  FROM (VALUES ('{"user":"10"}'::jsonb, '{"user":"10","share_state":true}'::jsonb)) i (alone, shared),
  LATERAL (VALUES
    ('register', pgevents.http_register(shared, '{}'), pgevents.http_register(alone, '{}')),
    ('realm', pgevents.http_realm_presence(shared, '{}'), pgevents.http_realm_presence(alone, '{}')),
    ('report', pgevents.http_report_presence(shared, '{"status":"active"}'),
    pgevents.http_report_presence(alone, '{"status":"active"}')),
    ('report, slim', pgevents.http_report_presence(shared,
    '{"status":"active","last_update_id":-1,"history_limit_days":3}'),
      pgevents.http_report_presence(alone, '{"status":"active","last_update_id":-1,"history_limit_days":3}'))) a (name,
      apart, whole);
SELECT pg_temp.ok(answer -> 'presence_state' IS NULL, 'complete')
  FROM (VALUES ('{"user":"10","share_state":true}'::jsonb)) i (shared),
  LATERAL unnest(ARRAY[
    pgevents.http_register(shared, '{"fetch_event_types":[]}'),
    pgevents.http_report_presence(shared, '{"status":"active","last_update_id":1}'),
    pgevents.http_report_presence(shared, '{"status":"active","history_limit_days":0}'),
    pgevents.http_report_presence(shared, '{"status":"active","ping_only":true}')]) answer;
