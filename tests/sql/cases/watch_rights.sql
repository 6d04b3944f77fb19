-- test: who writes a watched table needs no rights in pgevents, and gets none
-- Rolled back, because roles belong to the whole cluster.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE ROLE shop; CREATE ROLE clerk;
GRANT pgevents_publisher TO shop;
GRANT USAGE, CREATE ON SCHEMA public TO shop, clerk;
SET ROLE shop;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO clerk;
CREATE TABLE orders (id int PRIMARY KEY, item text);
SELECT pgevents.watch('orders', channel => 'order:{id}', columns => '{id,item}');
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER ON orders TO clerk;
SET ROLE clerk;
INSERT INTO orders VALUES (1, 'Brie');
UPDATE orders SET item = 'Comté';
TRUNCATE orders;
SELECT pg_temp.fails('SELECT pgevents.publish(''c'', ''t'')', '42501', 'permission denied for schema pgevents');
CREATE TABLE mine (id int, item text);
SELECT pg_temp.fails('CREATE TRIGGER t AFTER INSERT ON ' || name || ' FOR EACH ROW EXECUTE FUNCTION '
  'pgevents_watch_orders(''order:{id}'')', '42501', 'permission denied for function') FROM unnest('{mine,orders}'::text[]) name;
RESET ROLE;
SELECT pg_temp.equal(string_agg(type, ' ' ORDER BY id), 'orders_created orders_updated orders_deleted', 'events')
  FROM pgevents.log;
ROLLBACK;

-- test: only the owner of a table can watch it, and only if the owner may publish
-- Rolled back, because roles belong to the whole cluster.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE ROLE shop; CREATE ROLE clerk; CREATE ROLE manager;
GRANT USAGE, CREATE ON SCHEMA public TO shop, clerk;
CREATE TABLE orders (id int PRIMARY KEY);
ALTER TABLE orders OWNER TO shop;
GRANT ALL ON orders TO clerk;
GRANT pgevents_publisher TO clerk;
SELECT pg_temp.fails('SELECT pgevents.watch(''orders'', ''order:{id}'', ''{id}'')', '42501', 'Role shop, which owns public.orders, may not');
SET ROLE shop;
SELECT pg_temp.fails('SELECT pgevents.watch(''orders'', ''order:{id}'', ''{id}'')', '42501', 'permission denied for schema pgevents');
SET ROLE clerk;
SELECT pg_temp.fails('SELECT pgevents.watch(''orders'', ''order:{id}'', ''{id}'')', '42501', 'must be owner of public.orders');
RESET ROLE;
GRANT pgevents_publisher TO shop;
-- A superuser, or a member of the owner, makes triggers that run with the owner's rights, no more.
SELECT pgevents.watch('orders', 'order:{id}', '{id}');
SELECT pg_temp.equal(string_agg(proowner::regrole || ' ' || prosecdef || ' ' || proacl::text, ' '), 'shop true {shop=X/shop}', 'function')
  FROM pg_proc WHERE proname = 'pgevents_watch_orders';
GRANT shop TO manager;
SET ROLE clerk;
SELECT pg_temp.fails('SELECT pgevents.unwatch(''orders'')', '42501', 'must be owner of relation orders');
SET ROLE manager;
SELECT pg_temp.equal(pgevents.unwatch('orders')::text, '1', 'ended by a member');
SELECT pgevents.watch('orders', 'order:{id}', '{id}');
RESET ROLE;
SELECT pg_temp.equal(string_agg(proowner::regrole::text, ' '), 'shop', 'function') FROM pg_proc WHERE proname = 'pgevents_watch_orders';
REVOKE CREATE ON SCHEMA public FROM shop, PUBLIC;
SET ROLE shop;
SELECT pg_temp.fails('SELECT pgevents.watch(''orders'', ''order:{id}'', ''{id}'')', '42501',
  'permission denied for schema public, in which watch() creates a function; GRANT CREATE ON SCHEMA public TO shop');
RESET ROLE;
ROLLBACK;

-- test: the new owner of a table ends and replaces the watches of the old one, whose functions are left
-- Rolled back, because roles belong to the whole cluster.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE ROLE seller; CREATE ROLE buyer;
GRANT pgevents_publisher TO seller, buyer;
GRANT USAGE, CREATE ON SCHEMA public TO seller, buyer;
SET ROLE seller;
CREATE TABLE orders (id int PRIMARY KEY);
SELECT pgevents.watch('orders', 'order:{id}', '{id}'), pgevents.watch('orders', 'orders', '{id}');
RESET ROLE;
ALTER TABLE orders OWNER TO buyer;
SET ROLE seller;
SELECT pg_temp.fails('SELECT pgevents.unwatch(''orders'')', '42501', 'must be owner of relation orders');
SELECT pg_temp.fails('SELECT pgevents.watch(''orders'', ''orders'', ''{id}'')', '42501', 'must be owner of public.orders');
SET ROLE buyer;
SELECT pg_temp.equal(pgevents.unwatch('orders', 'order:{id}')::text, '1', 'ended');
SELECT pgevents.watch('orders', 'orders', '{id}');
INSERT INTO orders VALUES (1);
RESET ROLE;
SELECT pg_temp.equal(string_agg(channel_id || ' ' || type, ', '), 'orders orders_created', 'events') FROM pgevents.log;
SELECT pg_temp.equal(string_agg(p.proowner::regrole || ' ' || t.tgname, ', ' ORDER BY t.tgname),
  'buyer pgevents_watch_orders_3_row, buyer pgevents_watch_orders_3_truncate', 'triggers, and the owner of their function')
  FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = 'orders'::regclass AND NOT t.tgisinternal;
SELECT pg_temp.equal(count(*)::text, '2', 'functions that are left') FROM pg_proc WHERE proowner = 'seller'::regrole;
SET ROLE buyer;
SELECT pg_temp.equal(pgevents.unwatch('orders')::text || pgevents.unwatch('orders'), '10', 'all are ended');
RESET ROLE;
ROLLBACK;

-- test: functions and triggers of other roles, with the names of watch(), do not stop the owner of a table
-- Rolled back, because roles belong to the whole cluster.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE ROLE shop; CREATE ROLE clerk;
GRANT pgevents_publisher TO shop;
CREATE SCHEMA other;
GRANT USAGE, CREATE ON SCHEMA public, other TO shop, clerk;
SET ROLE shop;
CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE TABLE moved (id int PRIMARY KEY);
GRANT TRIGGER ON orders, parts, part, moved TO clerk;
SELECT pgevents.watch('moved', 'before', '{id}', type => 'x');
ALTER TABLE moved SET SCHEMA other;
SET ROLE clerk;
CREATE TABLE mine (id int);
CREATE FUNCTION pgevents_watch_orders() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION pgevents_watch_parts() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION other.any_name() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER pgevents_watch_orders_row AFTER INSERT ON orders EXECUTE FUNCTION pgevents_watch_orders('orders');
CREATE TRIGGER pgevents_watch_orders_row AFTER INSERT ON mine EXECUTE FUNCTION pgevents_watch_orders('orders');
CREATE TRIGGER pgevents_watch_orders_2_row AFTER INSERT ON orders EXECUTE FUNCTION other.any_name();
CREATE TRIGGER pgevents_watch_parts_row AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION pgevents_watch_parts();
CREATE TRIGGER pgevents_watch_parts_2_row AFTER INSERT ON part FOR EACH ROW EXECUTE FUNCTION other.any_name();
SET ROLE shop;
CREATE TEMP TABLE tables (relation regclass, ended int);
INSERT INTO tables VALUES ('orders', 1), ('parts', 2), ('other.moved', 2);
SELECT pgevents.watch(relation, 'orders', '{id}', type => 'x') FROM tables;
INSERT INTO orders VALUES (1);
INSERT INTO part VALUES (2);
INSERT INTO other.moved VALUES (3);
SELECT pg_temp.equal(pgevents.unwatch(relation)::text, ended::text, 'ended of ' || relation) FROM tables;
INSERT INTO orders VALUES (4);
INSERT INTO part VALUES (5);
INSERT INTO other.moved VALUES (6);
RESET ROLE;
SELECT pg_temp.equal(string_agg(channel_id || data, ' ' ORDER BY channel_id, data ->> 'new'), 'before{"new":{"id":3}} '
  'orders{"new":{"id":1}} orders{"new":{"id":2}} orders{"new":{"id":3}}', 'events') FROM pgevents.log;
SELECT pg_temp.equal(string_agg(tgrelid::regclass || ' ' || tgname, ', ' ORDER BY tgname), 'orders pgevents_watch_orders_2_row, '
  'mine pgevents_watch_orders_row, part pgevents_watch_parts_2_row', 'triggers left')
  FROM pg_trigger WHERE starts_with(tgname, 'pgevents_watch_');
-- A superuser could drop the function, but another table uses it.
CREATE TRIGGER pgevents_watch_orders_row AFTER INSERT ON orders EXECUTE FUNCTION pgevents_watch_orders('orders');
SELECT pg_temp.equal(pgevents.unwatch('orders')::text, '1', 'ended by a superuser');
ROLLBACK;

-- test: a watching trigger runs code of the table's types with the rights of the table's owner, never with pgevents'
-- Rolled back, because roles belong to the whole cluster.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE ROLE shop; CREATE ROLE clerk;
GRANT pgevents_publisher TO shop;
GRANT USAGE, CREATE ON SCHEMA public TO shop, clerk;
SET ROLE shop;
CREATE TYPE secret AS ENUM ('x');
CREATE FUNCTION secret_json(secret) RETURNS json LANGUAGE sql AS $$ SELECT to_json(current_user::text) $$;
CREATE CAST (secret AS json) WITH FUNCTION secret_json(secret);
CREATE TABLE orders (id int PRIMARY KEY, s secret);
SELECT pgevents.watch('orders', channel => 'order:{id}', columns => '{s}');
GRANT INSERT ON orders TO clerk;
SET ROLE clerk;
INSERT INTO orders VALUES (1, 'x');
RESET ROLE;
SELECT pg_temp.equal(data::text, '{"new":{"s":"shop"}}', 'who executed the cast') FROM pgevents.log;
ROLLBACK;

-- test: neither the search_path nor temporary objects of a session change what a watching trigger does
CREATE SCHEMA evil;
CREATE FUNCTION evil.to_json(int) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.quote_literal(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.octet_length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION evil.concat(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE OPERATOR evil.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.concat);
CREATE DOMAIN evil.json AS pg_catalog.text CHECK (VALUE IS NULL);
CREATE TABLE evil.pg_class (oid oid);
CREATE TABLE evil.pg_trigger (oid oid);
CREATE TABLE things (id int PRIMARY KEY, name text);
SET search_path = evil, public, pg_catalog;
CREATE TEMP TABLE pg_proc (oid oid);
SELECT pgevents.watch('things', channel => 'thing:{id}'::pg_catalog.text, columns => '{id,name}');
INSERT INTO things VALUES (1, 'a b');
UPDATE things SET name = 'c';
TRUNCATE things;
SELECT pg_temp.equal(pgevents.unwatch('things')::pg_catalog.text, '1', 'ended');
RESET search_path;
SELECT pg_temp.equal(string_agg(type, ' ' ORDER BY id), 'things_created things_updated things_deleted', 'events') FROM pgevents.log;

-- test: row security hides nothing from a watching trigger, and TRUNCATE fails where it is forced
-- Rolled back, because roles belong to the whole cluster.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
CREATE ROLE shop;
GRANT pgevents_publisher TO shop;
GRANT USAGE, CREATE ON SCHEMA public TO shop;
SET ROLE shop;
CREATE TABLE orders (id int PRIMARY KEY, item text);
SELECT pgevents.watch('orders', channel => 'order:{id}', columns => '{item}');
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
INSERT INTO orders VALUES (1, 'Brie'), (2, 'Comté');
TRUNCATE orders;
SELECT pg_temp.equal((SELECT count(*) FROM orders)::text, '0', 'the owner sees all');
INSERT INTO orders VALUES (1, 'Brie'), (2, 'Comté');
CREATE POLICY p ON orders USING (id = 1);
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
SELECT pg_temp.fails('TRUNCATE orders', '42501', 'query would be affected by row-level security policy');
UPDATE orders SET item = 'Edam';
ALTER TABLE orders NO FORCE ROW LEVEL SECURITY;
TRUNCATE orders;
ALTER TABLE orders FORCE ROW LEVEL SECURITY;
RESET ROLE;
SELECT pg_temp.equal(string_agg(channel_id || ' ' || type, ', ' ORDER BY id), 'order:1 orders_created, order:2 orders_created, '
  'order:1 orders_deleted, order:2 orders_deleted, order:1 orders_created, order:2 orders_created, order:1 orders_updated, '
  'order:2 orders_deleted, order:1 orders_deleted', 'events') FROM pgevents.log;
ROLLBACK;

-- test: without pgevents a watched table can be written, and is watched again when pgevents is there
CREATE TABLE things (id int PRIMARY KEY);
SELECT pgevents.watch('things', channel => 'thing:{id}', columns => '{id}');
ALTER SCHEMA pgevents RENAME TO removed;
INSERT INTO things VALUES (1);
TRUNCATE things;
ALTER SCHEMA removed RENAME TO pgevents;
INSERT INTO things VALUES (2);
SELECT pg_temp.equal(string_agg(channel_id, ' '), 'thing:2', 'events') FROM pgevents.log;
