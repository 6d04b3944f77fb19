-- test: a publisher can insert and publish, and nothing else
SET ROLE pgevents_publisher;
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t","data":1}');
SELECT pgevents.publish('c', 't', '2');
COPY pgevents.events (channel_id, data) FROM STDIN;
c	{"type":"t","data":3}
\.
SELECT pg_temp.fails('SELECT * FROM pgevents.events', '42501', 'permission denied');
SELECT pg_temp.fails('UPDATE pgevents.events SET data = NULL', '42501', 'permission denied');
SELECT pg_temp.fails('DELETE FROM pgevents.events', '42501', 'permission denied');
SELECT pg_temp.fails('SELECT pgevents.head()', '42501', 'permission denied');
SELECT pg_temp.fails('SELECT pgevents.prune()', '42501', 'permission denied');
SELECT pg_temp.fails($$SELECT pgevents.http_publish('{}', 'c', '{"type":"t"}', NULL)$$, '42501', 'permission denied');
SELECT pg_temp.fails($$SELECT pgevents.append('c', 't', '1', NULL)$$, '42501', 'permission denied');
SELECT pg_temp.fails('CREATE TABLE pgevents.mine ()', '42501', 'permission denied');
RESET ROLE;
SELECT pg_temp.equal(string_agg(data, ' '), '1 2 3', 'events') FROM pgevents.log_after(0, 10);

-- test: a server can call its functions, and nothing else
SET ROLE pgevents_server;
SELECT pg_temp.equal(pgevents.http_publish('{}', 'c', '{"type":"t"}', 'k') ->> 'id', '2', 'http_publish');
SELECT pg_temp.equal(pgevents.head()::text, '2', 'head');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log_after(0, 10))::text, '1', 'log_after');
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.fetch('{c}', 0, NULL, 10, 1000))::text, '2', 'fetch');
SELECT pg_temp.equal((SELECT start_after FROM pgevents.listener_start(0, 0, 10))::text, '1', 'listener_start');
SELECT pg_temp.equal(pgevents.prune()::text, '0', 'prune');
SELECT pg_temp.equal(pgevents.status() ->> 'head', '2', 'status');
LISTEN pgevents;
SELECT pg_temp.fails('SELECT * FROM pgevents.' || name, '42501', 'permission denied')
  FROM unnest(ARRAY['events', 'log', 'staging', 'history', 'settings', 'idempotency_keys', 'migrations', 'log_id_seq']) name;
SELECT pg_temp.fails($$INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t"}')$$, '42501', 'permission denied');
SELECT pg_temp.fails($$SELECT pgevents.publish('c', 't', '1')$$, '42501', 'permission denied');
SELECT pg_temp.fails($$SELECT pgevents.prune_log(10)$$, '42501', 'permission denied');

-- test: everybody else can do nothing
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
SELECT pg_temp.ok(count(*) >= 9, 'there are some') FROM pg_proc WHERE pronamespace = 'pgevents'::regnamespace AND prosecdef;

-- test: a publisher cannot slip in functions or tables of its own
CREATE SCHEMA evil;
CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE TABLE evil.log (id int);
GRANT ALL ON SCHEMA evil TO PUBLIC;
SET ROLE pgevents_publisher;
SET search_path = evil, pg_catalog;
CREATE TEMP TABLE staging (id int);
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{"type":"t","data":1}');
RESET ROLE;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '1', 'events');
