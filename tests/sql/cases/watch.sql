-- test: watch() publishes each change of a row, on its channel, with the chosen columns
CREATE TABLE things (id int PRIMARY KEY, owner text, name text, secret text);
SELECT pgevents.watch('things', channel => 'thing:{owner}', columns => '{id,name}');
SELECT pgevents.watch('things', channel => 'list', columns => '{name}', type => 'entry', old_values => true);
CREATE TEMP TABLE cases (n int GENERATED ALWAYS AS IDENTITY, what text, statement text, wanted text);
INSERT INTO cases (what, statement, wanted) VALUES
  ('an insert', 'INSERT INTO things VALUES (1, ''a'', ''x'', ''s'')',
   'list entry_created {"new":{"name":"x"}} | thing:a things_created {"new":{"id":1,"name":"x"}}'),
  ('several rows', 'INSERT INTO things VALUES (2, ''a'', NULL, ''s''), (3, ''b'', ''z'', ''s'')',
   'list entry_created {"new":{"name":null}} | thing:a things_created {"new":{"id":2,"name":null}} | '
   'list entry_created {"new":{"name":"z"}} | thing:b things_created {"new":{"id":3,"name":"z"}}'),
  ('an update', 'UPDATE things SET name = ''y'' WHERE id = 1',
   'list entry_updated {"old":{"name":"x"},"new":{"name":"y"}} | thing:a things_updated {"new":{"id":1,"name":"y"}}'),
  ('an update of other columns', 'UPDATE things SET secret = ''t''', NULL),
  ('an update that changes nothing', 'UPDATE things SET name = name', NULL),
  ('an update of no row', 'UPDATE things SET name = ''y'' WHERE id = 9', NULL),
  ('an update of several rows', 'UPDATE things SET name = ''w'' WHERE owner = ''a''',
   'list entry_updated {"old":{"name":null},"new":{"name":"w"}} | thing:a things_updated {"new":{"id":2,"name":"w"}} | '
   'list entry_updated {"old":{"name":"y"},"new":{"name":"w"}} | thing:a things_updated {"new":{"id":1,"name":"w"}}'),
  ('an update that changes the channel', 'UPDATE things SET owner = ''c'', name = ''v'' WHERE id = 2',
   'list entry_updated {"old":{"name":"w"},"new":{"name":"v"}} | thing:a things_deleted {"old":{"id":2,"name":"w"}} | '
   'thing:c things_created {"new":{"id":2,"name":"v"}}'),
  ('an update that changes the key', 'UPDATE things SET id = 4 WHERE id = 2',
   'list entry_deleted {"old":{"name":"v"}} | list entry_created {"new":{"name":"v"}} | '
   'thing:c things_deleted {"old":{"id":2,"name":"v"}} | thing:c things_created {"new":{"id":4,"name":"v"}}'),
  ('ON CONFLICT DO NOTHING', 'INSERT INTO things VALUES (1, ''a'', ''n'') ON CONFLICT DO NOTHING', NULL),
  ('ON CONFLICT DO UPDATE', 'INSERT INTO things VALUES (1, ''a'', ''n''), (5, ''a'', ''m'') ON CONFLICT (id) DO UPDATE '
   'SET name = excluded.name',
   'list entry_updated {"old":{"name":"w"},"new":{"name":"n"}} | thing:a things_updated {"new":{"id":1,"name":"n"}} | '
   'list entry_created {"new":{"name":"m"}} | thing:a things_created {"new":{"id":5,"name":"m"}}'),
  ('a rolled back block', 'DO $do$ BEGIN DELETE FROM things; RAISE division_by_zero; EXCEPTION WHEN division_by_zero '
   'THEN NULL; END $do$', NULL),
  ('a statement within another one', 'WITH d AS (DELETE FROM things WHERE id > 3 RETURNING *) SELECT count(*) FROM d',
   'list entry_deleted {"old":{"name":"v"}} | thing:c things_deleted {"old":{"id":4,"name":"v"}} | '
   'list entry_deleted {"old":{"name":"m"}} | thing:a things_deleted {"old":{"id":5,"name":"m"}}'),
  ('a column that is added', 'ALTER TABLE things ADD hidden text DEFAULT ''h''', NULL),
  ('an update after that', 'UPDATE things SET name = ''o'', hidden = ''i'' WHERE id = 1',
   'list entry_updated {"old":{"name":"n"},"new":{"name":"o"}} | thing:a things_updated {"new":{"id":1,"name":"o"}}'),
  ('a table that is renamed', 'ALTER TABLE things RENAME TO objects', NULL),
  ('TRUNCATE', 'TRUNCATE objects',
   'list entry_deleted {"old":{"name":"z"}} | list entry_deleted {"old":{"name":"o"}} | '
   'thing:b things_deleted {"old":{"id":3,"name":"z"}} | thing:a things_deleted {"old":{"id":1,"name":"o"}}'),
  ('TRUNCATE of the empty table', 'TRUNCATE objects', NULL);
CREATE FUNCTION pg_temp.events_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  before bigint := pgevents.head();
BEGIN
  EXECUTE statement;
  RETURN (SELECT string_agg(concat_ws(' ', l.channel_id, l.type, l.data), ' | ' ORDER BY l.id) FROM pgevents.log l
           WHERE l.id > before);
END $$;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
DO $$
DECLARE
  c cases;
BEGIN
  FOR c IN SELECT * FROM cases ORDER BY n LOOP
    PERFORM pg_temp.equal(pg_temp.events_of(c.statement), c.wanted, c.what);
  END LOOP;
END $$;
COMMIT;
SELECT pg_temp.equal(pgevents.unwatch('objects', 'list')::text, '1', 'one is ended');
SELECT pg_temp.equal(pg_temp.events_of('INSERT INTO objects VALUES (1, ''a'', ''x'')'), NULL, 'at COMMIT');
SELECT pg_temp.equal(string_agg(channel_id, ' '), 'thing:a', 'the other one stays')
  FROM pgevents.log WHERE id = pgevents.head();
SELECT pg_temp.equal(pgevents.unwatch('objects')::text || pgevents.unwatch('objects'), '10', 'both are ended');
SELECT pg_temp.equal(count(*)::text, '0', 'functions left') FROM pg_proc WHERE proname LIKE 'pgevents\_watch%'
  AND pronamespace <> 'pgevents'::regnamespace;

-- test: all events of a transaction with watched tables are one turn, in order
CREATE TABLE things (id int PRIMARY KEY, n int);
INSERT INTO things SELECT n, 0 FROM generate_series(1, 100) n;
SELECT pgevents.watch('things', channel => 'thing:{id}', columns => '{n}');
BEGIN;
UPDATE things SET n = 1;
SELECT pgevents.publish('c', 'between');
UPDATE things SET n = 2;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.staging) || ' ' || (SELECT count(*) FROM pgevents.staging_rest),
  '1 200', 'staged: the first event of a turn, and the others');
COMMIT;
SELECT pg_temp.equal(string_agg(DISTINCT CASE WHEN id < 102 THEN '1' WHEN id > 102 THEN '2' ELSE type END
  || (data -> 'new' ->> 'n'), ' '), '11 22', 'order') FROM pgevents.log WHERE type <> 'between';
SELECT pg_temp.equal((SELECT id FROM pgevents.log WHERE type = 'between')::text, '102', 'the event between');

-- test: values are percent-encoded in channels, so that rows with different values never share one
CREATE TABLE things (a text, b text, i bigint, u uuid);
SELECT pgevents.watch('things', channel => 'x:{a}:{b}.{i}@{u}', columns => '{a}');
CREATE TEMP TABLE names (a text, b text, wanted text);
INSERT INTO names VALUES
  ('aZ09_-', '', 'x:aZ09_-:.-7@00000000-0000-0000-0000-000000000001'),
  ('a:b', 'c', 'x:a%3Ab:c.-7@00000000-0000-0000-0000-000000000001'),
  ('a', 'b:c', 'x:a:b%3Ac.-7@00000000-0000-0000-0000-000000000001'),
  (' ,/?#%', '.@=+', 'x:%20%2C%2F%3F%23%25:%2E%40%3D%2B.-7@00000000-0000-0000-0000-000000000001'),
  ('é€😀', E'\n\\{}''"', 'x:%C3%A9%E2%82%AC%F0%9F%98%80:%0A%5C%7B%7D%27%22.-7@00000000-0000-0000-0000-000000000001');
INSERT INTO things SELECT a, b, -7, '00000000-0000-0000-0000-000000000001' FROM names;
SELECT pg_temp.equal(l.channel_id, n.wanted, 'channel of ' || n.a)
  FROM (SELECT *, row_number() OVER () AS n FROM names) n JOIN pgevents.log l ON l.id = n.n + 1;
SELECT pg_temp.equal(pgevents.channel_value('a b/é'), 'a%20b%2F%C3%A9', 'the same by itself');
SELECT pg_temp.fails(format('INSERT INTO things VALUES (%s)', row), 'PT400', message) FROM (VALUES
  ('NULL, ''b'', 7, gen_random_uuid()', 'No channel can be made of a: it is NULL'),
  ('''a'', ''b'', NULL, gen_random_uuid()', 'No channel can be made of i: it is NULL'),
  ('repeat(''a'', 256), ''b'', 7, gen_random_uuid()', 'No channel can be made of a: it is longer than 255 bytes'),
  ('repeat(''é'', 50), ''b'', 7, gen_random_uuid()', 'Invalid channel name: 1 to 255 bytes')) r (row, message);
SELECT pg_temp.fails('UPDATE things SET b = NULL', 'PT400', 'No channel can be made of b: it is NULL');

-- test: what cannot be watched is rejected, with the reason
CREATE TABLE things (id int PRIMARY KEY, a int, b int);
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children () INHERITS (parents);
CREATE TABLE parts (id int) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE TABLE deferrables (id int PRIMARY KEY DEFERRABLE);
CREATE TEMP TABLE temporaries (id int);
CREATE VIEW views AS SELECT 1 AS id;
SELECT pg_temp.fails(format('SELECT pgevents.watch(%s)', arguments), 'PT400', message, '{"code":"BAD_REQUEST"}') FROM (VALUES
  ('''things'', ''user:{id}'', ''{id}''', 'the prefix user is reserved'),
  ('''things'', ''user@main:{id}'', ''{id}''', 'the prefix user is reserved'),
  ('''things'', ''presence:{id}'', ''{id}''', 'the prefix presence is reserved'),
  ('''things'', ''stream:{id}'', ''{id}''', 'the prefix stream is reserved'),
  ('''things'', ''stream'', ''{id}''', 'the prefix stream is reserved'),
  ('''things'', ''pgevents.{id}'', ''{id}''', 'the prefix pgevents is reserved'),
  ('''things'', ''{id}'', ''{id}''', 'it must begin with a word'),
  ('''things'', '':{id}'', ''{id}''', 'it must begin with a word'),
  ('''things'', ''us{id}'', ''{id}''', 'it must begin with a word'),
  ('''things'', ''user-{id}'', ''{id}''', 'it must begin with a word'),
  ('''things'', '''', ''{id}''', 'it must begin with a word'),
  ('''things'', NULL, ''{id}''', 'it must begin with a word'),
  ('''things'', ''x:{id'', ''{id}''', 'no other characters'),
  ('''things'', ''x:id}'', ''{id}''', 'no other characters'),
  ('''things'', ''x:{}'', ''{id}''', 'no other characters'),
  ('''things'', ''x:{{id}}'', ''{id}''', 'no other characters'),
  ('''things'', ''x:a b'', ''{id}''', 'no other characters'),
  ('''things'', E''x:\n'', ''{id}''', 'no other characters'),
  ('''things'', ''x:%41'', ''{id}''', 'no other characters'),
  ('''things'', ''x:{id}{a}'', ''{id}''', 'must stand between two columns'),
  ('''things'', ''x:{id}-{a}'', ''{id}''', 'must stand between two columns'),
  ('''things'', ''x:{ID}'', ''{id}''', 'things has no column "ID"'),
  ('''things'', ''x:{ctid}'', ''{id}''', 'things has no column ctid'),
  ('''things'', ''x:'' || repeat(''x'', 254), ''{id}''', 'longer than 255 bytes'),
  ('''things'', ''x'', ''{}''', 'name the columns'),
  ('''things'', ''x'', NULL', 'name the columns'),
  ('''things'', ''x'', ''{*}''', 'name the columns: *'),
  ('''things'', ''x'', ''{id,NULL}''', 'a column is NULL'),
  ('''things'', ''x'', ''{{id},{a}}''', 'the list of columns has more than one dimension'),
  ('''things'', ''x'', ''{{id,NULL}}''', 'the list of columns has more than one dimension'),
  ('''things'', ''x'', ''{id,nothing}''', 'things has no column nothing'),
  ('''things'', ''x'', ''{tableoid}''', 'things has no column tableoid'),
  ('''things'', ''x'', ''{id,a,id}''', 'a column occurs twice'),
  ('''things'', ''x'', ''{id}'', repeat(''x'', 250)', 'Invalid event type'),
  ('''things'', ''x'', ''{id}'', ''pgevents.x''', 'reserved'),
  ('''things'', ''x'', ''{id}'', ''''', 'the type is empty'),
  ('''views'', ''x'', ''{id}''', 'views is not a table'),
  ('''temporaries'', ''x'', ''{id}''', 'is a temporary table'),
  ('''part'', ''x'', ''{id}''', 'part is a partition'),
  ('''parents'', ''x'', ''{id}''', 'inherits'),
  ('''children'', ''x'', ''{id}''', 'inherits'),
  ('''deferrables'', ''x'', ''{id}''', 'is deferrable'),
  ('''pgevents.users'', ''x'', ''{user_id}''', 'a table of the system')) f (arguments, message);
SELECT pg_temp.fails('SELECT pgevents.watch(''nothing'', ''x'', ''{id}'')', '42P01', 'does not exist');
SELECT pg_temp.rejected('SELECT pgevents.watch_statements(' || relation || ', ''x'', ''{id}'')', 'Cannot watch: '
  || relation || ' is not a table') FROM (VALUES ('NULL'), ('1')) r (relation);
SELECT pg_temp.equal(count(*)::text, '0', 'triggers made') FROM pg_trigger WHERE tgname LIKE 'pgevents\_watch%';

-- test: names of any kind are quoted
CREATE SCHEMA "Od'd %s";
CREATE TABLE "Od'd %s"."tab""le $$ é" ("I'd" int PRIMARY KEY, "a""b %s\" text, new text, old text, tg_op text, x text);
SELECT pgevents.watch('"Od''d %s"."tab""le $$ é"', channel => 'x:{I''d}', columns => ARRAY['I''d', 'a"b %s\', 'new', 'old', 'tg_op', 'x'],
  type => 'it''s %s', old_values => true);
INSERT INTO "Od'd %s"."tab""le $$ é" VALUES (1, 'a', 'b', 'c', 'd', 'e');
UPDATE "Od'd %s"."tab""le $$ é" SET x = E'q"\\\n';
TRUNCATE "Od'd %s"."tab""le $$ é";
SELECT pg_temp.equal(string_agg(concat_ws(' ', channel_id, type, data), E'\n' ORDER BY id), $$x:1 it's %s_created {"new":{"I'd":1,"a\"b %s\\":"a","new":"b","old":"c","tg_op":"d","x":"e"}}
x:1 it's %s_updated {"old":{"I'd":1,"a\"b %s\\":"a","new":"b","old":"c","tg_op":"d","x":"e"},"new":{"I'd":1,"a\"b %s\\":"a","new":"b","old":"c","tg_op":"d","x":"q\"\\\n"}}
x:1 it's %s_deleted {"old":{"I'd":1,"a\"b %s\\":"a","new":"b","old":"c","tg_op":"d","x":"q\"\\\n"}}$$, 'events') FROM pgevents.log;
SELECT pg_temp.equal(pgevents.unwatch('"Od''d %s"."tab""le $$ é"')::text, '1', 'ended');
CREATE TABLE aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg (id int);
SELECT pgevents.watch('aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg', 'a:{id}', '{id}');
SELECT pgevents.watch('aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg', 'b:{id}', '{id}');
INSERT INTO aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg VALUES (1);
SELECT pg_temp.equal(string_agg(channel_id, ' ' ORDER BY channel_id), 'a:1 b:1', 'two watches of a long name') FROM pgevents.log
 WHERE data -> 'new' ->> 'id' = '1';
SELECT pg_temp.equal(pgevents.unwatch('aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg')::text, '2', 'ended');
