-- test: large values are published whole, also those that an update does not touch
CREATE TABLE things (id int PRIMARY KEY, owner text, big text, small int, other text);
ALTER TABLE things ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL;
SELECT pgevents.watch('things', channel => 'thing:{owner}', columns => '{big,small}', old_values => true);
INSERT INTO things VALUES (1, 'a', repeat('x', 100000), 1, repeat('y', 100000));
UPDATE things SET small = 2;
UPDATE things SET other = repeat('z', 100000);
UPDATE things SET big = repeat('w', 100000);
UPDATE things SET owner = 'b';
DELETE FROM things;
SELECT pg_temp.equal(string_agg(concat_ws(' ', channel_id, type, data -> 'old' ->> 'small',
  left(data -> 'old' ->> 'big', 1), length(data -> 'old' ->> 'big'), left(data -> 'new' ->> 'big', 1),
  length(data -> 'new' ->> 'big')), E'\n' ORDER BY id), 'thing:a things_created x 100000
thing:a things_updated 1 x 100000 x 100000
thing:a things_updated 2 x 100000 w 100000
thing:a things_deleted 2 w 100000
thing:b things_created w 100000
thing:b things_deleted 2 w 100000', 'events') FROM pgevents.log;

-- test: values of any type are published, whatever the session's settings are
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE things (id positive PRIMARY KEY, at timestamptz, day date, took interval, amount numeric, ratio float8,
  bytes bytea, doc json, docb jsonb, m mood, p pair, ints int[], span tstzrange, flag boolean, twice int GENERATED ALWAYS
  AS (id * 2) STORED, place point, markup xml);
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German';
SET IntervalStyle = 'sql_standard';
SET bytea_output = 'escape';
SET extra_float_digits = 0;
SET standard_conforming_strings = off;
SELECT pgevents.watch('things', channel => 't:{at}', columns => (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
  WHERE attrelid = 'things'::regclass AND attnum > 0));
INSERT INTO things VALUES (1, '2026-07-01 12:00:00+00', '2026-07-02', '1 day 2 hours', 1.50, 0.1::float8 + 0.2::float8,
  E'\\x00ff', '{"a" :  1}', '{"b":1}', 'ok', ROW(1, 'x'), '{1,2}', '[2026-07-01 12:00:00+00,)', true, DEFAULT, '(1,2)', '<a/>');
UPDATE things SET ratio = 'NaN', at = at;
SET TimeZone = 'UTC';
UPDATE things SET flag = flag;
UPDATE things SET place = '(1,3)';
SET standard_conforming_strings = on;
SELECT pg_temp.equal((SELECT count(*) FROM pgevents.log)::text, '3', 'an update under other settings is no change');
SELECT pg_temp.equal(channel_id, 't:2026-07-01%2012%3A00%3A00%2B00', 'channel') FROM pgevents.log WHERE id = 2;
SELECT pg_temp.equal(data::text, '{"new":{"id":1,"at":"2026-07-01T12:00:00+00:00","day":"2026-07-02","took":"1 day 02:00:00",'
  '"amount":1.50,"ratio":0.30000000000000004,"bytes":"\\x00ff","doc":{"a" :  1},"docb":{"b": 1},"m":"ok",'
  '"p":{"a":1,"b":"x"},"ints":[1,2],"span":"[\"2026-07-01 12:00:00+00\",)","flag":true,"twice":2,"place":"(1,2)",'
  '"markup":"<a/>"}}', 'data') FROM pgevents.log WHERE id = 2;

-- test: changes of partitioned tables are published, also those that name a partition, or make another one
CREATE TABLE things (id int, region text, n int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE things_a PARTITION OF things FOR VALUES IN ('a');
CREATE TABLE things_b (n int, unused int, id int NOT NULL, region text NOT NULL);
ALTER TABLE things_b DROP unused;
ALTER TABLE things ATTACH PARTITION things_b FOR VALUES IN ('b');
SELECT pgevents.watch('things', channel => 'things', columns => '{id,n}', type => 'thing');
CREATE TABLE things_c PARTITION OF things FOR VALUES IN ('c') PARTITION BY RANGE (id);
CREATE TABLE things_c1 PARTITION OF things_c FOR VALUES FROM (0) TO (10);
INSERT INTO things VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0);
INSERT INTO things_b (id, region, n) VALUES (4, 'b', 0);
UPDATE things SET n = 1 WHERE id IN (2, 3);
UPDATE things_c1 SET n = 2;
UPDATE things SET region = 'b' WHERE id = 1;
DELETE FROM things_b WHERE id = 4;
TRUNCATE things;
ALTER TABLE things DETACH PARTITION things_b;
INSERT INTO things_b (id, region, n) VALUES (5, 'b', 0);
SELECT pg_temp.equal(string_agg(concat_ws(' ', type, data), E'\n' ORDER BY id), 'thing_created {"new":{"id":1,"n":0}}
thing_created {"new":{"id":2,"n":0}}
thing_created {"new":{"id":3,"n":0}}
thing_created {"new":{"id":4,"n":0}}
thing_updated {"new":{"id":2,"n":1}}
thing_updated {"new":{"id":3,"n":1}}
thing_updated {"new":{"id":3,"n":2}}
thing_deleted {"old":{"id":1,"n":0}}
thing_created {"new":{"id":1,"n":0}}
thing_deleted {"old":{"id":4,"n":0}}
thing_deleted {"old":{"id":2,"n":1}}
thing_deleted {"old":{"id":1,"n":0}}
thing_deleted {"old":{"id":3,"n":2}}', 'events') FROM pgevents.log;
SELECT pg_temp.equal(pgevents.unwatch('things')::text, '1', 'ended');
INSERT INTO things VALUES (1, 'a', 0);
SELECT pg_temp.equal(pgevents.head()::text, '14', 'no event');

-- test: a foreign key's cascade and a deferred trigger's change are published as any other
CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE);
SELECT pgevents.watch('items', channel => 'order:{order_id}', columns => '{id}');
INSERT INTO orders VALUES (1);
INSERT INTO items VALUES (1, 1);
UPDATE orders SET id = 2;
DELETE FROM orders;
INSERT INTO orders VALUES (3);
INSERT INTO items VALUES (3, 3);
TRUNCATE orders CASCADE;
CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO items VALUES (NEW.id, NEW.id);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late();
INSERT INTO orders VALUES (4);
SELECT pg_temp.equal(string_agg(channel_id || ' ' || type, ', ' ORDER BY id), 'order:1 items_created, order:1 items_deleted, '
  'order:2 items_created, order:2 items_deleted, order:3 items_created, order:3 items_deleted, order:4 items_created',
  'events') FROM pgevents.log;

-- test: after a listed column is renamed or dropped writes fail until the table is watched again
CREATE TABLE things (id int PRIMARY KEY, name text, other text);
SELECT pgevents.watch('things', channel => 'thing:{id}', columns => '{name}');
ALTER TABLE things RENAME other TO another;
INSERT INTO things VALUES (1, 'x', 'y');
ALTER TABLE things RENAME name TO title;
SELECT pg_temp.fails('UPDATE things SET another = ''z''', '42703', 'has no field "name"');
SELECT pgevents.watch('things', channel => 'thing:{id}', columns => '{title}');
UPDATE things SET title = 'y';
SELECT pg_temp.equal(string_agg(data::text, ' ' ORDER BY id), '{"new":{"name":"x"}} {"new":{"title":"y"}}', 'events')
  FROM pgevents.log;
SELECT pg_temp.equal(count(*)::text, '2', 'triggers: the second call replaced those of the first') FROM pg_trigger
 WHERE tgrelid = 'things'::regclass;
SELECT pg_temp.fails('DELETE FROM things; SELECT pgevents.watch(''things'', ''thing:{id}'', ''{gone}'')', 'PT400', 'no column');
SELECT pg_temp.equal(count(*)::text, '2', 'a call that fails changes nothing') FROM pg_trigger WHERE tgrelid = 'things'::regclass;

-- test: a table that is renamed stays watched, and another one of its name can be watched
CREATE TABLE things (id int PRIMARY KEY);
SELECT pgevents.watch('things', channel => 'old:{id}', columns => '{id}');
ALTER TABLE things RENAME TO objects;
CREATE SCHEMA later;
ALTER TABLE objects SET SCHEMA later;
CREATE TABLE things (id int PRIMARY KEY);
SELECT pgevents.watch('things', channel => 'new:{id}', columns => '{id}');
INSERT INTO later.objects VALUES (1);
INSERT INTO things VALUES (2);
TRUNCATE later.objects;
SELECT pg_temp.equal(string_agg(channel_id, ' ' ORDER BY id), 'old:1 new:2 old:1', 'events') FROM pgevents.log;
SELECT pg_temp.equal(obj_description(tgfoid, 'pg_proc'), 'pgevents.watch(''public.things'', channel => ''new:{id}'', columns => '
  '''{id}'', type => ''things'', old_values => ''f'')', 'the comment of the function')
  FROM pg_trigger WHERE tgrelid = 'things'::regclass AND tgname LIKE '%\_row';
DROP TABLE things;
CREATE TABLE things (id int PRIMARY KEY);
SELECT pgevents.watch('things', channel => 'new:{id}', columns => '{id}');
INSERT INTO things VALUES (3);
SELECT pg_temp.equal(pgevents.unwatch('things') || ' ' || pgevents.unwatch('later.objects'), '1 1', 'ended');
SELECT pg_temp.equal(pgevents.head()::text, '5', 'events');
