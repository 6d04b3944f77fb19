-- test: a publisher can insert and publish, and nothing else
SET ROLE pgevents_publisher;
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t","data":1}');
SELECT pgevents.publish('c', 't', '2');
COPY pgevents.events (channel_id, data) FROM STDIN;
c	{"type":"t","data":3}
\.
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 't', '4');
SELECT pg_temp.fails('SELECT * FROM pgevents.events', '42501', 'permission denied');
SELECT pg_temp.fails('UPDATE pgevents.events SET data = NULL', '42501', 'permission denied');
SELECT pg_temp.fails('DELETE FROM pgevents.events', '42501', 'permission denied');
SELECT pg_temp.fails('SELECT pgevents.head()', '42501', 'permission denied');
SELECT pg_temp.fails('SELECT pgevents.prune()', '42501', 'permission denied');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '{"type":"t"}', NULL)$$, '42501', 'permission denied');
SELECT pg_temp.fails($$SELECT pgevents.append('c', 't', '1', NULL)$$, '42501', 'permission denied');
SELECT pg_temp.fails('CREATE TABLE pgevents.mine ()', '42501', 'permission denied');
SELECT pg_temp.fails('SELECT pgevents.' || call, '42501', 'permission denied')
  FROM unnest(ARRAY['revoke(''10'')', 'disconnect(''10'')', 'token_revoked(''10'', 0)', 'revocations()',
    'publish_control(''pgevents.revoked'', ''{}'')']) call;
RESET ROLE;
SELECT pg_temp.equal(string_agg(data, ' '), '1 2 3 4', 'events') FROM pgevents.log_after(0, 10);
SELECT pg_temp.equal(string_agg(DISTINCT proname, ' ' ORDER BY proname),
  'channel_value publish unwatch watch watch_statements', 'functions that it may execute') FROM pg_proc
 WHERE pronamespace = 'pgevents'::regnamespace AND has_function_privilege('pgevents_publisher', oid, 'EXECUTE');
SELECT pg_temp.equal(string_agg(relname, ' ' ORDER BY relname), 'events outbox', 'relations that it may touch')
  FROM pg_class
 WHERE relnamespace = 'pgevents'::regnamespace AND relkind IN ('r', 'v', 'S')
   AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 'pgevents_publisher'::regrole);

-- test: a server can call its functions, and nothing else
SET ROLE pgevents_server;
SELECT pg_temp.equal(pgevents.http_publish('{}', 'c', '{"type":"t"}', 'k') ->> 'id', '2', 'http_publish');
SELECT pg_temp.equal(pgevents.head()::text, '2', 'head');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log_after(0, 10))::text, '1', 'log_after');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.fetch('{c}', 0, NULL, 10, 1000))::text, '2', 'fetch');
SELECT pg_temp.equal((SELECT start_after FROM pgevents.listener_start(0, 0, 10))::text, '1', 'listener_start');
SELECT pg_temp.equal(pgevents.prune()::text, '0', 'prune');
SELECT pg_temp.equal(pgevents.status() ->> 'head', '2', 'status');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.revocations())::text, '0', 'revocations');
SELECT pg_temp.equal(pgevents.token_revoked('10', 0)::text, 'false', 'token_revoked');
LISTEN pgevents;
SELECT pg_temp.fails('SELECT * FROM pgevents.' || name, '42501', 'permission denied')
  FROM unnest(ARRAY['events', 'log', 'staging', 'history', 'settings', 'idempotency_keys', 'migrations', 'log_id_seq',
  'revocations',
    'users', 'streams', 'stream_members', 'presence', 'presence_realms', 'presence_holders', 'connections',
    'presence_update_seq']) name;
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t"}')$$, '42501',
  'permission denied');
SELECT pg_temp.fails($$INSERT INTO pgevents.users (user_id) VALUES ('10')$$, '42501', 'permission denied');
SELECT pg_temp.fails($$SELECT pgevents.publish('c', 't', '1')$$, '42501', 'permission denied');
SELECT pg_temp.fails('SELECT pgevents.' || call, '42501', 'permission denied')
  FROM unnest(ARRAY['prune_log(10)', 'prune_revocations(10)', 'revoke(''10'')', 'disconnect(''10'')',
    'publish_control(''pgevents.revoked'', ''{}'')']) call;

-- test: a server can answer requests about presence and typing, and nothing else
INSERT INTO pgevents.users (user_id) VALUES ('10'), ('11');
INSERT INTO pgevents.streams VALUES ('7', 'main', 'general');
INSERT INTO pgevents.stream_members VALUES ('7', '10');
SET ROLE pgevents_server;
SELECT pg_temp.equal(answer ->> 'result', 'success', n::text)
  FROM unnest(ARRAY[pgevents.http_register('{"user":"10"}', '{}'),
  pgevents.http_report_presence('{"user":"10"}', '{"status":"active"}'),
    pgevents.http_user_presence('{"user":"11"}', '{"user_id":"10"}'),
    pgevents.http_realm_presence('{"user":"10"}', '{}'),
    pgevents.http_typing('{"user":"10"}', '{"op":"start","to":[11]}'),
    pgevents.http_typing('{"user":"10"}', '{"op":"start","type":"stream","stream_id":7,"topic":"x"}'),
    pgevents.http_settings('{"user":"10"}', '{"presence_enabled":false}'),
    (SELECT answer FROM pgevents.http_report_presence_many('[{"identity":{"user":"11"},"params":{"status":"idle"}}]'))]) 
    WITH ORDINALITY a (answer, n);
SELECT pg_temp.ok(pgevents.http_presence_state('{"realm":"main","slim":true}') LIKE '%"presences":{%',
  'http_presence_state');
SELECT pgevents.holder_open() AS h \gset
SELECT pg_temp.equal(count(*)::text, '1', 'presence_contacts')
  FROM pgevents.presence_contacts(:h, '[{"realm":"main","user":"10"}]');
SELECT pg_temp.ok(pgevents.presence_poll('{"user":"10"}', 5), 'presence_poll');
SELECT pg_temp.equal(pgevents.presence_report('[{"realm":"main","user":"11"}]')::text, '0', 'presence_report');
SELECT pg_temp.ok(pgevents.presence_tick() <= 500, 'presence_tick');
SELECT pgevents.holder_close(:h);
SELECT pg_temp.fails('SELECT pgevents.' || call, '42501', 'permission denied')
  FROM unnest(ARRAY['presence_switch(''main'', ''10'', true, false)', 'presence_flush(''main'')', 'presence_sweep(10)',
  'change_settings(''main'', ''10'', ''{}'')',
    'directory_user(''main'', ''10'')', 'stage(''pgevents.control'', ''t'', ''1'')']) call;

-- test: an admin can fill the directory and put users out, and nothing else
SET ROLE pgevents_admin;
SELECT pgevents.revoke('10');
SELECT pgevents.revoke('11', 'infinity');
SELECT pgevents.disconnect('10');
INSERT INTO pgevents.users (user_id) VALUES ('10');
INSERT INTO pgevents.streams (stream_id, name) VALUES ('7', 'general');
INSERT INTO pgevents.stream_members VALUES ('7', '10');
UPDATE pgevents.users SET is_active = false;
DELETE FROM pgevents.users;
SELECT pg_temp.fails('SELECT * FROM pgevents.' || name, '42501', 'permission denied')
  FROM unnest(ARRAY['events', 'log', 'staging', 'history', 'settings', 'idempotency_keys', 'migrations', 'log_id_seq',
  'revocations',
    'presence', 'presence_realms', 'presence_holders', 'connections', 'presence_update_seq']) name;
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t"}')$$, '42501',
  'permission denied');
SELECT pg_temp.fails($$INSERT INTO pgevents.revocations VALUES ('10', now())$$, '42501', 'permission denied');
SELECT pg_temp.fails($$DELETE FROM pgevents.revocations$$, '42501', 'permission denied');
RESET ROLE;
SELECT pg_temp.equal(count(*)::text, '3', 'events') FROM pgevents.log;
SELECT pg_temp.equal(string_agg(proname, ' ' ORDER BY proname), 'disconnect revoke', 'functions that it may execute')
  FROM pg_proc
 WHERE pronamespace = 'pgevents'::regnamespace AND has_function_privilege('pgevents_admin', oid, 'EXECUTE');
SELECT pg_temp.equal(string_agg(relname, ' ' ORDER BY relname), 'stream_members streams users',
  'relations that it may touch') FROM pg_class
 WHERE relnamespace = 'pgevents'::regnamespace AND relkind IN ('r', 'v', 'S')
   AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 'pgevents_admin'::regrole);

-- test: other roles can do nothing
SELECT pg_temp.ok(NOT has_schema_privilege('public', 'pgevents', 'USAGE'), 'schema');
SELECT pg_temp.equal(string_agg(relname, ' '), NULL, 'relations open to PUBLIC') FROM pg_class
 WHERE relnamespace = 'pgevents'::regnamespace AND relkind IN ('r', 'v', 'S')
   AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0);
SELECT pg_temp.equal(string_agg(proname, ' '), NULL, 'functions open to PUBLIC') FROM pg_proc
 WHERE pronamespace = 'pgevents'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE');

-- test: functions that run with the owner's rights have a fixed search_path with pg_temp last
SELECT pg_temp.equal(string_agg(proname, ' '), NULL, 'without') FROM pg_proc
 WHERE pronamespace = 'pgevents'::regnamespace AND prosecdef
   AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false);
SELECT pg_temp.ok(count(*) >= 13, 'there are some') FROM pg_proc WHERE pronamespace = 'pgevents'::regnamespace
  AND prosecdef;

-- test: a publisher cannot make pgevents run functions or tables of its own
CREATE SCHEMA evil;
CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.starts_with(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.pg_advisory_xact_lock(int, int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (octet_length(VALUE) < 0);
CREATE FUNCTION evil.gen_random_uuid() RETURNS uuid LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE DOMAIN evil.json AS pg_catalog.text CHECK (octet_length(VALUE) < 0);
CREATE TABLE evil.log (id int);
GRANT ALL ON SCHEMA evil TO PUBLIC;
SET ROLE pgevents_publisher;
SET search_path = evil, pg_catalog;
CREATE TEMP TABLE staging (id int);
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t","data":1}');
INSERT INTO pgevents.outbox (channel_id, type, data) VALUES ('c', 't', '1') RETURNING *;
SELECT pgevents.publish('c', 't', '1'), pgevents.publish('c', 't', '1'::pg_catalog.json),
  pgevents.publish('c', 't', '1'::jsonb);
RESET ROLE;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::pg_catalog.text, '5', 'events');
-- The same for a role that writes the log directly.
INSERT INTO pgevents.log (id, channel_id, ts, type, data) VALUES (10, 'c', now(), 't', '1');

-- test: an admin cannot make pgevents run functions or tables of its own
CREATE SCHEMA evil;
CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.format(text, json, bigint) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.date_part(text, timestamptz) RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
GRANT ALL ON SCHEMA evil TO PUBLIC;
SET ROLE pgevents_admin;
SET search_path = evil, pg_catalog;
CREATE TEMP TABLE staging (id int);
CREATE TEMP TABLE revocations (id int);
SELECT pgevents.revoke('10');
SELECT pgevents.disconnect('10');
RESET ROLE;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '2', 'events');
