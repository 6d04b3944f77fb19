-- test: a user who connects is in contact and connected, and events report both
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.ok(pg_temp.contact(:h, '10', '11'), 'known');
SELECT pg_temp.equal(pg_temp.news(), concat_ws(E'\n', 'presence:main presence 10,11',
  'presence:main pgevents.connected {"users": ["10", "11"]}'), 'events');
SELECT pg_temp.ok(bool_and(active_at IS NULL AND idle_at > now() - interval '1 minute' AND is_connected), 'rows')
  FROM pgevents.presence;
SELECT pg_temp.equal((a -> 'presence_connected')::text, '["10", "11"]', 'at registration')
  FROM pg_temp.ask('register', '12', '{}') a;
SELECT pg_temp.equal((a -> 'presences' -> '10' ->> 'idle_timestamp'), pgevents.epoch(idle_at)::text, 'in the state')
  FROM pg_temp.ask('register', '12', '{}') a, pgevents.presence p WHERE p.user_id = '10';

-- test: events about connections have the documented form
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.contact(:h, '10', '11'), pg_temp.passes('2 s'), pg_temp.leave(:h, '11'), pg_temp.passes('11 s'),
  pgevents.presence_tick();
SELECT pg_temp.equal(string_agg(regexp_replace(data::text, '[0-9]{10}\.[0-9]+', 'T'), E'\n' ORDER BY id),
  format(E'{"users":["10","11"],"server_timestamp":T}\n{"users":["11"],"presences":{"11":%s},"server_timestamp":T}',
  (SELECT
    pgevents.presence_slim(timestamptz '2020-01-01 00:00Z', p.idle_at) FROM pgevents.presence p
    WHERE p.user_id = '11')), 'data')
  FROM pgevents.log WHERE type <> 'presence';

-- test: presence_contacts() returns the times after which to call it again
SELECT pg_temp.equal(c::text, '(60000,10000)', 'by default')
  FROM pgevents.presence_contacts(pgevents.holder_open(), '[]') c;
UPDATE pgevents.settings SET value = '90 seconds' WHERE name IN ('presence_ping_interval', 'presence_lease');
SELECT pg_temp.equal(c::text, '(90000,30000)', 'as set')
  FROM pgevents.presence_contacts(pgevents.holder_open(), NULL) c;
UPDATE pgevents.settings SET value = '1 millisecond' WHERE name = 'presence_lease';
SELECT pg_temp.equal(c.renew_ms::text, '1', 'never 0') FROM pgevents.presence_contacts(pgevents.holder_open(), '[]') c;

-- test: an unknown or closed holder gets no row, and nothing is written
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.ok(NOT pg_temp.contact(h, '10'), 'holder ' || h) FROM unnest(ARRAY[:h + 1, 0, -1]) h;
SELECT pg_temp.ok(pg_temp.contact(:h, '10'), 'a known one');
SELECT pg_temp.news();
SELECT pgevents.holder_close(:h), pg_temp.passes('11 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["10"]}', 'events');
SELECT pg_temp.ok(NOT pg_temp.contact(:h, '10', '11'), 'gone');
SELECT pg_temp.ok(NOT EXISTS (SELECT FROM pgevents.presence_contacts(:h, '[]')), 'gone, with nothing to report');
SELECT pg_temp.equal(count(*)::text, '0', 'connections') FROM pgevents.connections;
SELECT pg_temp.equal(string_agg(user_id, ' '), '10', 'rows') FROM pgevents.presence;
SELECT pgevents.holder_close(:h), pgevents.holder_close(99);
SELECT pg_temp.ok(pgevents.holder_open() > :h, 'numbers are not used twice');

-- test: a user who leaves is disconnected after the grace period, not before
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.contact(:h, '10'), pg_temp.leave(:h, '10');
SELECT pg_temp.news();
SELECT pg_temp.passes('9 s'), pgevents.presence_tick();
SELECT pg_temp.ok(is_connected, '9 s') FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
SELECT pg_temp.passes('2 s'), pgevents.presence_tick();
SELECT pg_temp.ok(NOT is_connected AND idle_at > now() - interval '1 minute', '11 s') FROM pgevents.presence;
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["10"]}', 'events');
SELECT pg_temp.equal(count(*)::text, '0', 'connections') FROM pgevents.connections;
SELECT pg_temp.equal((a -> 'presence_connected')::text, '[]', 'at registration')
  FROM pg_temp.ask('register', '12', '{}') a;
SELECT pg_temp.passes('1 h'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'only once');

-- test: a user who reconnects within the grace period, through any holder, is not reported as disconnected
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS one, pgevents.holder_open() AS two \gset
SELECT pg_temp.contact(:one, '10', '11'), pg_temp.passes('2 s');
SELECT pg_temp.news();
SELECT pg_temp.leave(:one, '10', '11'), pg_temp.passes('9 s'), pgevents.presence_tick(), pg_temp.contact(:one, '10'),
  pg_temp.contact(:two, '11');
SELECT pg_temp.passes('9 s'), pgevents.presence_tick(), pg_temp.later(), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
SELECT pg_temp.equal(string_agg(concat_ws(':', user_id, holder), ' ' ORDER BY user_id),
  concat('10:', :one, ' 11:', :two), 'connections') FROM pgevents.connections;

-- test: only the last of a user's connections counts
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS one, pgevents.holder_open() AS two \gset
SELECT pg_temp.contact(:one, '10'), pg_temp.contact(:two, '10'), pgevents.presence_poll('{"user":"10"}', 5);
SELECT pg_temp.equal(count(*)::text, '1', 'connected is reported once')
  FROM pgevents.log WHERE type = 'pgevents.connected';
SELECT pg_temp.news();
SELECT pg_temp.leave(:one, '10'), pg_temp.passes('11 s'), pgevents.presence_tick();
SELECT pg_temp.leave(:two, '10'), pg_temp.passes('11 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'the poll is still there');
SELECT pg_temp.passes('1 minute'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["10"]}', 'events');

-- test: of several reports of a user in one batch the last one decides whether the user left
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pgevents.presence_contacts(:h,
  '[{"realm":"main","user":"10"},{"realm":"main","user":"10","left":true},{"realm":"main","user":"11","left":true},
  {"realm":"main","user":"11"},{"realm":"main","user":"12","left":true},{"realm":"main","user":"10","left":false},{"realm":"main","user":"11","left":true}]');
SELECT pg_temp.equal(string_agg(user_id, ' '), '10', 'connections') FROM pgevents.connections WHERE left_at IS NULL;
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'presence:main presence 10', 'presence:main pgevents.connected {"users": ["10"]}'), 'events');
SELECT pgevents.presence_contacts(:h, '[{"realm":"main","user":"10"},{"realm":"main","user":"10","left":true}]');
SELECT pg_temp.equal(count(*)::text, '0', 'there and gone') FROM pgevents.connections WHERE left_at IS NULL;

-- test: leaving twice, or without having connected, changes nothing
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.leave(:h, '10', 'nobody', 'bot'), pg_temp.contact(:h, '11'), pg_temp.leave(:h, '11'),
  pg_temp.passes('6 s');
SELECT pg_temp.leave(:h, '11'), pg_temp.passes('6 s'), pgevents.presence_tick();
SELECT pg_temp.equal(count(*)::text, '0', 'connections') FROM pgevents.connections;
SELECT pg_temp.equal(string_agg(user_id, ' '), '11', 'rows') FROM pgevents.presence;

-- test: a lasting connection counts as an idle report every ping interval, and nothing is written in between
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.contact(:h, '10'), pg_temp.later();
SELECT pg_temp.news();
BEGIN;
SELECT pg_temp.contact(:h, '10'), pgevents.presence_tick();
SELECT pg_temp.ok(pg_current_xact_id_if_assigned() IS NULL, 'nothing is written');
COMMIT;
SELECT pg_temp.was_idle('10', '54 seconds'), pg_temp.contact(:h, '10');
SELECT pg_temp.equal(max(update_id)::text, '1', '54 s') FROM pgevents.presence;
SELECT pg_temp.was_idle('10', '56 seconds'), pg_temp.contact(:h, '10');
SELECT pg_temp.ok(update_id = 2 AND idle_at > now() - interval '30 seconds' AND active_at IS NULL, '56 s')
  FROM pgevents.presence;
SELECT pg_temp.later(), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.was_idle('10', '56 seconds'), pg_temp.contact(:h, '10');
SELECT pg_temp.ok(active_at < now() - interval '30 seconds', 'a connection is not an activity') FROM pgevents.presence;

-- test: presence_contacts() renews the lease a few times in its length
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
CREATE FUNCTION pg_temp.lease() RETURNS int LANGUAGE sql AS $$
  SELECT round(date_part('epoch', alive_until - clock_timestamp())) FROM pgevents.presence_holders $$;
SELECT pg_temp.equal(pg_temp.lease()::text, '30', 'opened');
SELECT pg_temp.passes('5 s'), pg_temp.contact(:h, '10');
SELECT pg_temp.ok(pg_temp.lease() <= 25, 'young: not written');
SELECT pg_temp.passes('5 s'), pg_temp.contact(:h);
SELECT pg_temp.equal(pg_temp.lease()::text, '30', 'renewed, with nothing to report');
SELECT pg_temp.passes('35 s'), pgevents.presence_tick(), pg_temp.contact(:h, '10');
SELECT pg_temp.equal(pg_temp.lease()::text, '30', 'renewed after its end, within the grace time');

-- test: the connections of a holder whose lease has expired end after the grace period
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS dead, pgevents.holder_open() AS live \gset
SELECT pg_temp.contact(:dead, '10', '11', '12'), pg_temp.leave(:dead, '12'), pg_temp.contact(:live, '11');
SELECT pg_temp.news();
SELECT pg_temp.passes('9 s'), pg_temp.contact(:live), pgevents.presence_tick();
SELECT pg_temp.passes('9 s'), pg_temp.contact(:live), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["12"]}',
  'the user who left before');
SELECT pg_temp.passes('21 s'), pg_temp.contact(:live), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, '39 s');
SELECT pg_temp.passes('2 s'), pg_temp.contact(:live), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["10"]}',
  '41 s: all users without another holder');
SELECT pg_temp.equal(string_agg(concat_ws(':', user_id, holder), ' '), concat('11:', :live), 'connections')
  FROM pgevents.connections;
SELECT pgevents.presence_tick();
SELECT pg_temp.equal(string_agg(holder::text, ' '), :live::text, 'holders') FROM pgevents.presence_holders;

-- test: a process that closes hands over to the next one within the grace period, as at a reload
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS before, pgevents.holder_open() AS after \gset
SELECT pg_temp.contact(:before, '10', '11'), pg_temp.passes('2 s');
SELECT pg_temp.news();
SELECT pgevents.holder_close(:before), pg_temp.passes('9 s'), pgevents.presence_tick(), pg_temp.contact(:after, '10'),
  pg_temp.passes('2 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["11"]}',
  'the user who did not reconnect');

-- test: a sweep handles a thousand users at a time
INSERT INTO pgevents.users (user_id) SELECT 'u' || n FROM generate_series(1, 1500) n;
SELECT pgevents.holder_open() AS h \gset
SELECT pgevents.presence_contacts(:h,
  (SELECT jsonb_agg(jsonb_build_object('realm', 'main', 'user', 'u' || n)) FROM generate_series(1, 1500) n));
SELECT pgevents.holder_close(:h), pg_temp.passes('11 s'), pgevents.presence_tick();
SELECT pg_temp.equal(count(*)::text, '500', 'the first time') FROM pgevents.connections;
SELECT pg_temp.equal(count(*)::text, '1', 'the holder stays') FROM pgevents.presence_holders;
SELECT pg_temp.later(), pgevents.presence_tick();
SELECT pg_temp.equal(count(*)::text, '0', 'the second time') FROM pgevents.connections;
SELECT pg_temp.later(), pgevents.presence_tick();
SELECT pg_temp.equal(sum(json_array_length(data -> 'users'))::text, '1500', 'reported') FROM pgevents.log
  WHERE type = 'pgevents.disconnected';
SELECT pg_temp.equal(count(*)::text, '0', 'holders') FROM pgevents.presence_holders;

-- test: on an idle database the tick writes nothing
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.contact(:h, '10'), pgevents.presence_poll('{"user":"11"}', 5), pg_temp.later(), pgevents.presence_tick(),
  pgevents.presence_tick();
BEGIN;
SELECT pg_temp.equal(pgevents.presence_tick()::text, '500', 'milliseconds');
SELECT pg_temp.ok(pg_current_xact_id_if_assigned() IS NULL, 'no transaction id');
COMMIT;

-- test: a poll counts as a connection until the next one is due, plus a grace period and a lease
SELECT pg_temp.people();
SELECT pg_temp.ok(pgevents.presence_poll('{"user":"10","realm":"main"}', 5), 'written');
SELECT pg_temp.equal(concat_ws(' ', realm, user_id, holder, round(date_part('epoch', until - clock_timestamp()))),
  'main 10 0 45', 'connection') FROM pgevents.connections;
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'presence:main presence 10', 'presence:main pgevents.connected {"users": ["10"]}'), 'events');
SELECT pg_temp.passes('29 s');
BEGIN;
SELECT pg_temp.ok(NOT pgevents.presence_poll('{"user":"10"}', 5), 'a poll soon after');
SELECT pg_temp.ok(pg_current_xact_id_if_assigned() IS NULL, 'writes nothing');
COMMIT;
SELECT pg_temp.passes('2 s');
SELECT pg_temp.ok(pgevents.presence_poll('{"user":"10"}', 5), 'a later one');
SELECT pg_temp.equal(round(date_part('epoch', until - clock_timestamp()))::text, '45', 'lasts as long again')
  FROM pgevents.connections;
SELECT pg_temp.passes('44 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, '44 s without one');
SELECT pg_temp.passes('2 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["10"]}', '46 s without one');

-- test: a poll counts as contact every ping interval
SELECT pg_temp.people();
SELECT pgevents.presence_poll('{"user":"10"}', 5), pg_temp.was_idle('10', '54 seconds');
SELECT pg_temp.ok(NOT pgevents.presence_poll('{"user":"10"}', 5), '54 s');
SELECT pg_temp.was_idle('10', '56 seconds');
SELECT pg_temp.ok(pgevents.presence_poll('{"user":"10"}', 5), '56 s');
SELECT pg_temp.ok(idle_at > now() - interval '30 seconds' AND active_at IS NULL, 'row') FROM pgevents.presence;

-- test: polls without a user, and of users without presence, are not connections
SELECT pg_temp.people();
SELECT pg_temp.ok(NOT pgevents.presence_poll(who, 5), coalesce(who::text, 'NULL'))
  FROM unnest(ARRAY[NULL, '{}', '{"user":""}', '{"user":"nobody"}', '{"user":"bot"}', '{"user":"gone"}',
  '{"user":"20"}', '{"user":"10","realm":"other"}']::jsonb[]) who;
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.ok(pg_temp.contact(:h, 'nobody', 'bot', 'gone', '20', ''), 'contacts of such are passed over');
SELECT pg_temp.equal(concat((SELECT count(*) FROM pgevents.connections), (SELECT count(*) FROM pgevents.presence)),
  '00', 'rows');
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');

-- test: a user who is deactivated while connected is reported as disconnected when they leave
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.contact(:h, '10', '11'), pg_temp.passes('2 s');
SELECT pg_temp.news();
UPDATE pgevents.users SET is_active = false WHERE user_id = '10';
SELECT pg_temp.equal((a -> 'presence_connected')::text, '["11"]', 'at registration')
  FROM pg_temp.ask('register', '12', '{}') a;
SELECT pg_temp.leave(:h, '10'), pg_temp.passes('11 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["10"]}', 'events');

-- test: a user who is removed from the directory while connected is reported as disconnected when they leave
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.contact(:h, '10'), pg_temp.passes('2 s');
SELECT pg_temp.news();
DELETE FROM pgevents.users WHERE user_id = '10';
SELECT pg_temp.contact(:h, '10'), pg_temp.leave(:h, '10'), pg_temp.passes('11 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), 'presence:main pgevents.disconnected {"users": ["10"]}', 'events');
SELECT pg_temp.equal(count(*)::text, '0', 'connections') FROM pgevents.connections;

-- test: no event reports the connections of a user who has presence off, until it is on
SELECT pg_temp.people();
UPDATE pgevents.users SET presence_enabled = false WHERE user_id = '10';
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.contact(:h, '10'), pgevents.presence_poll('{"user":"10"}', 5);
SELECT pg_temp.equal(count(*)::text, '0', 'rows in presence') FROM pgevents.presence;
SELECT pg_temp.equal(count(*)::text, '2', 'connections') FROM pgevents.connections;
SELECT pg_temp.equal(pg_temp.news(), NULL, 'events');
SELECT pg_temp.ask('settings', '10', '{"presence_enabled":"true"}');
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'user:10 user_settings {"presence_enabled": true}', 'presence:main presence 10',
  'presence:main pgevents.connected {"users": ["10"]}'), 'on');
SELECT pg_temp.later(), pg_temp.ask('settings', '10', '{"presence_enabled":"false"}');
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'user:10 user_settings {"presence_enabled": false}', 'presence:main presence 10',
  'presence:main pgevents.disconnected {"users": ["10"]}'), 'off');
SELECT pg_temp.later(), pg_temp.leave(:h, '10'), pg_temp.passes('1 h'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(), NULL, 'he goes');
SELECT pg_temp.equal(count(*)::text, '0', 'connections') FROM pgevents.connections;

-- test: two realms with the same user ids never get each other's connections
SELECT pg_temp.people();
INSERT INTO pgevents.users (realm, user_id) VALUES ('other', '10');
SELECT pgevents.holder_open() AS h \gset
SELECT pgevents.presence_contacts(:h,
  '[{"realm":"main","user":"10"},{"realm":"other","user":"10"},{"realm":"other","user":"20"},{"realm":"other","user":"11"}]');
SELECT pgevents.presence_contacts(:h, '[{"realm":"other","user":"10","left":true}]'), pg_temp.passes('11 s'),
  pgevents.presence_tick();
SELECT pg_temp.equal(string_agg(channel_id || ' ' || type || ' ' || (data ->> 'users'), E'\n' ORDER BY channel_id, id),
  concat_ws(E'\n', 'presence:main pgevents.connected ["10"]', 'presence:other pgevents.connected ["10","20"]',
  'presence:other pgevents.disconnected ["10"]'), 'events')
  FROM pgevents.log WHERE type <> 'presence';
SELECT pg_temp.equal(string_agg(realm || (a -> 'presence_connected')::text, ' '), 'main["10"] other["20"]',
  'at registration')
  FROM (VALUES ('main', '11'), ('other', '10')) t (realm, who), pg_temp.ask('register', who, '{}', realm) a;

-- test: connections do not change a user's times, and their events share the window with others
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.report('10', '{"status":"active"}'), pg_temp.contact(:h, '10'), pg_temp.contact(:h, '11'),
  pg_temp.leave(:h, '10'), pg_temp.passes('500 ms');
SELECT pg_temp.equal(pg_temp.news(), 'presence:main presence 10', 'at once');
SELECT pg_temp.later(), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'presence:main presence 11', 'presence:main pgevents.connected {"users": ["10", "11"]}'),
  'together');
SELECT pg_temp.contact(:h, '12'), pg_temp.leave(:h, '12'), pg_temp.passes('11 s'), pgevents.presence_tick();
SELECT pg_temp.equal(pg_temp.news(),
  concat_ws(E'\n', 'presence:main presence 12', 'presence:main pgevents.disconnected {"users": ["10", "12"]}'),
  'a user who connects and leaves within the window is not reported as connected');

-- test: malformed contacts are skipped, and write nothing
SELECT pg_temp.people();
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.ok(EXISTS (SELECT FROM pgevents.presence_contacts(:h, contacts)), contacts::text)
  FROM unnest(ARRAY['[{}]', '[1,"x",null,[]]', '[{"user":"10"}]', '[{"realm":"main"}]',
  '[{"realm":"main","user":null}]', '[{"realm":7,"user":10}]']::jsonb[]) contacts;
SELECT pg_temp.equal(concat((SELECT count(*) FROM pgevents.connections), (SELECT count(*) FROM pgevents.presence)),
  '00', 'rows');
