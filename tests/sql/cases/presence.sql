-- test: an empty realm has no presences, and the last update id is -1
SELECT pg_temp.people();
SELECT pg_temp.equal(regexp_replace(answer::text, '[0-9]{10}\.[0-9]+', 'T'),
  '{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":-1,"presences":{}}', 'realm')
  FROM pgevents.http_realm_presence('{"user":"10","realm":"main"}', '{}') answer;
SELECT pg_temp.equal(answer ->> 'presence_last_update_id', '-1', 'register')
  FROM pg_temp.ask('register', '10', '{}') answer;

-- test: a user who reports active for the first time is active at once, for all others
SELECT pg_temp.people();
SELECT pg_temp.equal(answer #>> '{presences,10,website,status}' , 'active', 'the user''s own answer')
  FROM pg_temp.report('10', '{"status":"active"}') answer;
SELECT pg_temp.equal(answer #>> '{presences,10,aggregated,status}' , 'active', 'another''s')
  FROM pg_temp.ask('realm_presence', '11', NULL) answer;
SELECT pg_temp.ok(active_at = idle_at AND active_at > now() - interval '1 minute' AND update_id = 1, 'row')
  FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10', 'event');

-- test: the answer to a report has the form that Zulip's clients know
SELECT pg_temp.people();
SELECT pg_temp.equal(regexp_replace(answer::text, '[0-9]{10}(\.[0-9]+)?', 'T', 'g'),
  '{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":1,'
  || '"presences":{"10":{"aggregated":{"client":"website","status":"active","timestamp":T},"website":{"client":"website","status":"active","timestamp":T,"pushable":false}}}}', 'legacy')
  FROM pgevents.http_report_presence('{"user":"10"}', '{"status":"active"}') answer;
SELECT pg_temp.equal(regexp_replace(answer::text, '[0-9]{10}(\.[0-9]+)?', 'T', 'g'),
  '{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":1,'
  || '"presences":{"10":{"active_timestamp":T,"idle_timestamp":T}}}', 'slim')
  FROM unnest(ARRAY['{"status":"active","slim_presence":"true"}', '{"status":"active","slim_presence":true}',
  '{"status":"active","last_update_id":"-1"}']::jsonb[]) p,
       pgevents.http_report_presence('{"user":"10"}', p) answer;

-- test: a week-old presence is shown, a three-week-old one is not
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active","ping_only":"true"}');
SELECT pg_temp.was_idle('10', '7 days');
SELECT pg_temp.ok(pg_temp.ask('realm_presence', '11', '{}') -> 'presences' ? '10', 'a week');
SELECT pg_temp.ok(pg_temp.ask('register', '11', '{}') -> 'presences' ? '10', 'a week, at registration');
SELECT pg_temp.was_idle('10', '21 days');
SELECT pg_temp.ok(NOT pg_temp.ask('realm_presence', '11', '{}') -> 'presences' ? '10', 'three weeks');
SELECT pg_temp.ok(NOT pg_temp.ask('register', '11', '{}') -> 'presences' ? '10', 'three weeks, at registration');

-- test: an incremental report returns only what is newer, and keeps the client's id when nothing is
SELECT pg_temp.people();
CREATE FUNCTION pg_temp.since(who text, id int) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', (SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(a -> 'presences') k),
  a ->> 'presence_last_update_id')
    FROM pg_temp.report(who, jsonb_build_object('status', 'active', 'last_update_id', id::text)) a
$$;
SELECT pg_temp.equal(pg_temp.since('10', -1), '10 1', 'the first');
SELECT pg_temp.equal(pg_temp.since('11', -1), '10,11 2', 'all');
SELECT pg_temp.equal(pg_temp.since('11', 2), '2', 'nothing is newer');
SELECT pg_temp.equal(pg_temp.since('10', 1), '11 2', 'one presence is newer');
SELECT pg_temp.was_idle('10', '56 seconds');
SELECT pg_temp.equal(pg_temp.since('10', 2), '10 3', 'grows by an update');
SELECT pg_temp.equal(pg_temp.since('11', 2), '10 3', 'which the other gets');
SELECT pg_temp.equal(pg_temp.since('11', 0), '10,11 3', '0 is all, as -1');

-- test: an id that this database has never drawn is answered with everything
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.report('11', '{"status":"active"}');
SELECT pg_temp.equal(concat_ws(' ', (SELECT string_agg(k, ',') FROM jsonb_object_keys(a -> 'presences') k),
  a ->> 'presence_last_update_id'), '10,11 2', 'ahead')
  FROM pg_temp.report('10', '{"status":"active","last_update_id":3}') a;
SELECT pg_temp.equal(a ->> 'presence_last_update_id', '-1', 'ahead, in an empty realm')
  FROM pg_temp.report('20', '{"status":"active","last_update_id":100,"history_limit_days":0}', 'other') a;

-- test: with an id the age does not matter, without one or below 1 it does
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.report('11', '{"status":"active"}');
SELECT pg_temp.was_idle('11', '100 days');
SELECT pg_temp.equal((SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(a -> 'presences') k), wanted, params)
  FROM (VALUES ('{"last_update_id":"1"}', '11'), ('{"last_update_id":"0"}', '10'), ('{"last_update_id":"-1"}', '10'),
  ('{}', '10'),
    ('{"history_limit_days":"50"}', '10'), ('{"history_limit_days":"101"}', '10,11'),
    ('{"history_limit_days":"0"}', NULL),
    ('{"history_limit_days":"0","last_update_id":"1"}', NULL),
    ('{"history_limit_days":"50","last_update_id":"1"}', '11'),
    ('{"history_limit_days":101,"last_update_id":0}', '10,11'), ('{"history_limit_days":999999999999999999}', '10,11'),
    ('{"history_limit_days":-1}', NULL)) t (params, wanted),
  LATERAL pg_temp.report('10', params::jsonb || '{"status":"active"}') a;
SELECT pg_temp.equal(a ->> 'presence_last_update_id', '-1', 'id without rows')
  FROM pg_temp.report('10', '{"status":"active","history_limit_days":"0"}') a;
SELECT pg_temp.equal(a ->> 'presence_last_update_id', '1', 'the client''s')
  FROM pg_temp.report('10', '{"status":"active","history_limit_days":"0","last_update_id":1}') a;

-- test: a first idle report leaves active empty, an active one sets it
SELECT pg_temp.people();
SELECT pg_temp.equal(a #>> '{presences,10,website,status}', 'idle', 'status')
  FROM pg_temp.report('10', '{"status":"idle"}') a;
SELECT pg_temp.ok(active_at IS NULL AND idle_at > now() - interval '1 minute', 'row') FROM pgevents.presence;
SELECT pg_temp.equal(a #>> '{presences,10,active_timestamp}', '1577836800', 'for others: the day the user joined')
  FROM pg_temp.report('11', '{"status":"idle","slim_presence":"true"}') a;
SELECT pg_temp.news();
SELECT pg_temp.later();
SELECT pg_temp.equal(a #>> '{presences,10,website,status}', 'active', 'status')
  FROM pg_temp.report('10', '{"status":"active"}') a;
SELECT pg_temp.ok(active_at <= clock_timestamp() AND idle_at >= active_at, 'row') FROM pgevents.presence
  WHERE user_id = '10';
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10,11', 'event');

-- test: a user who joined today and has only been idle does not look active
SELECT pg_temp.people();
UPDATE pgevents.users SET joined_at = now() WHERE user_id = '10';
SELECT pg_temp.equal(a #>> '{presences,10,website,status}', 'idle', 'legacy')
  FROM pg_temp.report('10', '{"status":"idle"}') a;
SELECT pg_temp.equal(((data #>> '{presences,10,idle_timestamp}')::int - (data #>> '{presences,10,active_timestamp}')::int)::text,
  '200', 'event') FROM pgevents.log;

-- test: without a change nothing is written, locked or published
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.news();
CREATE TEMP TABLE before AS SELECT xmin::text AS made, xmax::text AS locked, ctid AS place, * FROM pgevents.presence;
SELECT pg_temp.report('10', '{"status":"idle"}'), pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.equal(b::text, p::text, 'row')
  FROM before b, (SELECT xmin::text, xmax::text, ctid, * FROM pgevents.presence) p;
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
BEGIN;
SELECT pg_temp.report('10', '{"status":"idle"}');
SELECT pg_temp.ok(pg_current_xact_id_if_assigned() IS NULL, 'not even a transaction id');
COMMIT;

-- test: idle is written when the contact is more than 55 seconds old, and publishes no event
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.news();
SELECT pg_temp.was_idle('10', '54 seconds'), pg_temp.report('10', '{"status":"idle"}');
SELECT pg_temp.equal(update_id::text, '1', '54 s') FROM pgevents.presence;
SELECT pg_temp.was_idle('10', '56 seconds'), pg_temp.report('10', '{"status":"idle"}');
SELECT pg_temp.ok(update_id = 2 AND idle_at > now() - interval '30 seconds'
  AND active_at < now() - interval '50 seconds', '56 s') FROM pgevents.presence;
SELECT pg_temp.was_idle('10', '1 hour'), pg_temp.report('10', '{"status":"idle"}'), pg_temp.later(),
  pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');

-- test: active is written after 55 seconds, and an event published after 130
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.later();
SELECT pg_temp.news();
SELECT pg_temp.was_active('10', '54 seconds'), pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.equal(update_id::text, '1', '54 s') FROM pgevents.presence;
SELECT pg_temp.was_active('10', '129 seconds'), pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.ok(update_id = 2 AND active_at > now() - interval '30 seconds' AND idle_at >= active_at, '129 s')
  FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(), NULL, 'no event');
SELECT pg_temp.was_active('10', '131 seconds'), pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10', 'event');

-- test: events report a user who stays active before others would take the user for idle
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.news();
CREATE FUNCTION pg_temp.a_minute_later() RETURNS void LANGUAGE sql AS $$
  UPDATE pgevents.presence SET active_at = active_at - interval '1 minute', idle_at = idle_at - interval '1 minute',
         active_told_at = active_told_at - interval '1 minute';
  SELECT FROM pg_temp.later(), pg_temp.report('10', '{"status":"active"}')
$$;
SELECT pg_temp.a_minute_later();
SELECT pg_temp.a_minute_later();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'two minutes');
SELECT pg_temp.a_minute_later();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10', 'three minutes');
SELECT pg_temp.a_minute_later();
SELECT pg_temp.a_minute_later();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'five minutes');
SELECT pg_temp.a_minute_later();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10', 'six minutes');

-- test: an older report does not overwrite a newer one
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.was_idle('10', '-5 minutes'), pg_temp.was_active('10', '-4 minutes');
CREATE TEMP TABLE before AS SELECT * FROM pgevents.presence;
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.report('10', '{"status":"idle"}');
SELECT pg_temp.equal(b::text, p::text, 'row') FROM before b, pgevents.presence p;
SELECT pg_temp.was_active('10', '5 minutes'), pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.ok(p.idle_at = b.idle_at AND p.active_at <= now() + interval '1 minute', 'idle stays ahead of active')
  FROM before b, pgevents.presence p;

-- test: timestamps of users are integers, the server's has a fraction
SELECT pg_temp.people();
SELECT pg_temp.ok(bool_and(value ~ '^[0-9]{10}$'), 'users')
  FROM pg_temp.report('10', '{"status":"active","slim_presence":"true"}') a,
  jsonb_each_text(a #> '{presences,10}');
SELECT pg_temp.ok(a ->> 'server_timestamp' ~ '^[0-9]{10}\.[0-9]+$', 'server: ' || (a ->> 'server_timestamp'))
  FROM pg_temp.ask('realm_presence', '10', '{}') a;
SELECT pg_temp.ok(data::text ~ '^{"presences":{"10":{"active_timestamp":[0-9]{10},"idle_timestamp":[0-9]{10}}},"server_timestamp":[0-9]{10}\.[0-9]+}$', 'event: ' || data) FROM pgevents.log;

-- test: a user whose last activity is up to 50 seconds before the last contact is active, at three minutes idle
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active","ping_only":true}');
SELECT pg_temp.equal(a #>> '{presence,website,status}', 'active', 'now')
  FROM pg_temp.ask('user_presence', '11', '{"user_id":"10"}') a;
SELECT pg_temp.was_active('10', '50 seconds');
SELECT pg_temp.equal(a #>> '{presence,aggregated,status}', 'active', '50 s')
  FROM pg_temp.ask('user_presence', '11', '{"user_id":"10"}') a;
SELECT pg_temp.equal(a #>> '{presence,website,timestamp}', pgevents.epoch(active_at)::text, 'the active time')
  FROM pgevents.presence, pg_temp.ask('user_presence', '11', '{"user_id":"10"}') a;
SELECT pg_temp.was_active('10', '3 minutes');
SELECT pg_temp.equal(a #>> '{presences,10,website,status}', 'idle', '3 min')
  FROM pg_temp.ask('realm_presence', '11', '{}') a;
SELECT pg_temp.equal(a #>> '{presences,10,website,timestamp}', pgevents.epoch(idle_at)::text, 'the idle time')
  FROM pgevents.presence, pg_temp.ask('realm_presence', '11', '{}') a;

-- test: a single user is offline when the threshold has passed, in the aggregate only
SELECT pg_temp.people();
SELECT pg_temp.report('10', '{"status":"active"}');
SELECT pg_temp.was_idle('10', '198 seconds');
SELECT pg_temp.equal(regexp_replace(a::text, '[0-9]{10}', 'T', 'g'),
  '{"result":"success","msg":"","presence":{"aggregated":{"status":"active","timestamp":T},"website":{"status":"active","timestamp":T}}}', '198 s')
  FROM pgevents.http_user_presence('{"user":"11"}', '{"user_id":"10"}') a;
SELECT pg_temp.was_idle('10', '201 seconds');
SELECT pg_temp.equal(regexp_replace(a::text, '[0-9]{10}', 'T', 'g'),
  '{"result":"success","msg":"","presence":{"aggregated":{"status":"offline","timestamp":T},"website":{"status":"active","timestamp":T}}}', '201 s')
  FROM pgevents.http_user_presence('{"user":"11"}', '{"user_id":"10"}') a;
SELECT pg_temp.equal(a::text, format('{"result":"success","msg":"","presence":{"active_timestamp":%s,"idle_timestamp":%s}}',
    pgevents.epoch(active_at), pgevents.epoch(idle_at)), 'slim')
  FROM pgevents.presence, pgevents.http_user_presence('{"user":"11"}', '{"user_id":"10","slim_presence":"true"}') a;
