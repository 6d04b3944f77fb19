-- test: fetch returns the channels' events after the cursor, in order, and the head as the next cursor
SELECT pgevents.publish((ARRAY['a', 'b', 'c'])[1 + n % 3], 't' || n, to_json(n)) FROM generate_series(0, 8) n;
SELECT pg_temp.equal(string_agg(concat_ws(':', id, channel_id, type, data), ' '),
  '5:a:t3:3 6:b:t4:4 8:a:t6:6 9:b:t7:7 10:end', 'page') FROM pgevents.fetch('{a,b}', 3, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '10:end', 'nothing new')
  FROM pgevents.fetch('{a,b}', 10, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '10:end', 'unknown channel')
  FROM pgevents.fetch('{x}', 0, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '10:end', 'no channel')
  FROM pgevents.fetch('{}', 0, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '2:t0 5:t3 8:t6 10:end', 'a channel named twice')
  FROM pgevents.fetch('{a,a}', 0, NULL, 100, 1000000);
SELECT pg_temp.ok(bool_and(num_nulls(channel_id, ts_us, data, ttl_ms) = 4), 'the last row has only id and type')
  FROM pgevents.fetch('{a}', 10, NULL, 100, 1000000);

-- test: without a cursor fetch starts from now on
SELECT pgevents.publish('a', 't', '1');
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '2:end', 'page')
  FROM pgevents.fetch('{a}', NULL, NULL, 100, 1000000);

-- test: an empty log has head 1, and no cursor of it is a gap
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '1:end', 'now')
  FROM pgevents.fetch('{a}', NULL, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '1:end', '0')
  FROM pgevents.fetch('{a}', 0, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '1:end', '1')
  FROM pgevents.fetch('{a}', 1, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(concat_ws(':', id, type), ' '), '1:end', 'time')
  FROM pgevents.fetch('{a}', NULL, 0, 100, 1000000);
SELECT pg_temp.equal(pgevents.head()::text, '1', 'head');

-- test: pages follow each other without loss or repetition, whatever their size
SELECT pgevents.publish('c' || n % 5, 't', to_json(n)) FROM generate_series(1, 500) n;
CREATE FUNCTION pg_temp.walk(rows int, bytes bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE place bigint := 0; got text := ''; page record; pages int := 0;
BEGIN
  LOOP
    FOR page IN SELECT * FROM pgevents.fetch('{c0,c3,c4}', place, NULL, rows, bytes) LOOP
      IF page.channel_id IS NOT NULL THEN got := got || page.data || ' '; END IF;
    END LOOP;
    place := page.id;
    pages := pages + 1;
    EXIT WHEN page.type = 'end' OR pages > 1000;
    IF page.type <> 'more' THEN RAISE 'last row: %', page; END IF;
  END LOOP;
  RETURN pages || ':' || got;
END $$;
CREATE TEMP TABLE wanted AS SELECT string_agg(n || ' ', '' ORDER BY n) AS all_of_it FROM generate_series(1, 500) n
  WHERE n % 5 IN (0, 3, 4);
SELECT pg_temp.equal(pg_temp.walk(1000, 1000000), '1:' || all_of_it, 'one page') FROM wanted;
SELECT pg_temp.equal(pg_temp.walk(300, 1000000), '1:' || all_of_it, 'exactly full') FROM wanted;
SELECT pg_temp.equal(pg_temp.walk(7, 1000000), '43:' || all_of_it, 'sevens') FROM wanted;
SELECT pg_temp.equal(pg_temp.walk(1, 1000000), '300:' || all_of_it, 'ones') FROM wanted;
SELECT pg_temp.equal(pg_temp.walk(1000, 1), '300:' || all_of_it, 'one byte') FROM wanted;
SELECT pg_temp.ok(pg_temp.walk(1000, 30) LIKE '%:' || all_of_it, 'thirty bytes') FROM wanted;

-- test: a page ends at the row that reaches max_bytes, and has at least one event
SELECT pgevents.publish('c', 't', to_json(repeat('x', 98))) FROM generate_series(1, 5);
SELECT pg_temp.equal(string_agg(id || type, ' '), '2t 3t 3more', '200 bytes')
  FROM pgevents.fetch('{c}', 0, NULL, 10, 200);
SELECT pg_temp.equal(string_agg(id || type, ' '), '2t 3t 4t 4more', '201 bytes')
  FROM pgevents.fetch('{c}', 0, NULL, 10, 201);
SELECT pg_temp.equal(string_agg(id || type, ' '), '2t 2more', 'no bytes') FROM pgevents.fetch('{c}', 0, NULL, 10, 0);
SELECT pg_temp.equal(string_agg(id || type, ' '), '2t 2more', 'no rows') FROM pgevents.fetch('{c}', 0, NULL, 0, 1000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '2t 3t 4t 5t 6t 6end', 'limits absent')
  FROM pgevents.fetch('{c}', 0, NULL, NULL, NULL);

-- test: large events beyond the page are not read
SELECT pgevents.publish('c', 't', (SELECT json_agg(md5((n * i)::text)) FROM generate_series(1, 6000) n))
  FROM generate_series(1, 50) i;
VACUUM pgevents.log;
CREATE FUNCTION pg_temp.blocks(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
  RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
END $$;
SELECT count(*) FROM pgevents.fetch('{c}', 0, NULL, 100, 1000000);
CREATE TEMP TABLE cost AS SELECT
  pg_temp.blocks($$SELECT * FROM pgevents.fetch('{c}', 0, NULL, 100, 1)$$) AS one,
  pg_temp.blocks($$SELECT * FROM pgevents.fetch('{c}', 0, NULL, 100, 100000000)$$) AS fifty;
SELECT pg_temp.ok(fifty > 1000, 'fifty large events cost many blocks: ' || fifty) FROM cost;
SELECT pg_temp.ok(one < fifty / 10, 'one costs a fraction: ' || one || ' of ' || fifty) FROM cost;

-- test: catch-up costs a page, not the table, for recent, quiet, absent and mixed channels
ALTER TABLE pgevents.log DISABLE TRIGGER log_notify;
INSERT INTO pgevents.log (id, channel_id, ts, type, data)
  SELECT n + 1, CASE WHEN n % 20000 = 7 THEN 'quiet'
  ELSE 'c' || n % 3 END, now() - interval '1 day' + n * interval '100 ms', 't',
         json_build_object('n', n, 'pad', repeat('x', 100)) FROM generate_series(1, 200000) n;
VACUUM ANALYZE pgevents.log;
CREATE FUNCTION pg_temp.blocks(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || query INTO plan;
  RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
END $$;
CREATE FUNCTION pg_temp.cheap(mode text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('plan_cache_mode', mode, false);
  -- The first call of a session reads the catalog.
  PERFORM pgevents.fetch('{c0}', 0, NULL, 10, 1000000), pgevents.fetch('{c0}', NULL, 0, 10, 1000000);
  PERFORM pg_temp.ok(b < 100, mode || ', recent: ' || b)
    FROM pg_temp.blocks($q$SELECT * FROM pgevents.fetch('{c0,c1,c2}', 199990, NULL, 1000, 1000000)$q$) b;
  PERFORM pg_temp.ok(b < 100, mode || ', quiet from the start: ' || b)
    FROM pg_temp.blocks($q$SELECT * FROM pgevents.fetch('{quiet}', 0, NULL, 1000, 1000000)$q$) b;
  PERFORM pg_temp.ok(b < 100, mode || ', absent: ' || b)
    FROM pg_temp.blocks($q$SELECT * FROM pgevents.fetch('{none}', 0, NULL, 1000, 1000000)$q$) b;
  PERFORM pg_temp.ok(b < 1000, mode || ', mixed, a page: ' || b)
    FROM pg_temp.blocks($q$SELECT * FROM pgevents.fetch('{quiet,none,c1}', 0, NULL, 200, 1000000)$q$) b;
  PERFORM pg_temp.ok(b < 100, mode || ', now: ' || b)
    FROM pg_temp.blocks($q$SELECT * FROM pgevents.fetch('{c0,quiet}', NULL, NULL, 200, 1000000)$q$) b;
  PERFORM pg_temp.ok(b < 1000, mode || ', by time: ' || b) FROM pg_temp.blocks(format(
    $q$SELECT * FROM pgevents.fetch('{quiet}', NULL, %s, 200, 1000000)$q$,
    (SELECT ts_us FROM pgevents.log_after(100000, 1)))) b;
  PERFORM pg_temp.ok(b < 1000, mode || ', listener, 1000 rows: ' || b)
    FROM pg_temp.blocks($q$SELECT * FROM pgevents.log_after(100000, 1000)$q$) b;
END $$;
SELECT pg_temp.cheap('auto');
SELECT pg_temp.cheap('force_generic_plan');
SELECT pg_temp.ok(pg_temp.blocks('SELECT count(data::text) FROM pgevents.log') > 3000,
  'a scan of the table would cost more');

-- test: a cursor below the pruned history gets a reset first, then the kept events
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(2, 20) n;
UPDATE pgevents.log SET ts = now() - interval '8 days' WHERE id <= 10;
SELECT pgevents.prune();
SELECT pg_temp.equal((SELECT pruned_id FROM pgevents.history)::text, '10', 'record');
SELECT pg_temp.equal(concat_ws('|', id, channel_id, type, data),
  '10|a|pgevents.reset|{"reason":"pruned","oldest":11,"head":20}', 'reset')
  FROM pgevents.fetch('{a,b}', 9, NULL, 100, 1000000) LIMIT 1;
SELECT pg_temp.ok(abs(ts_us - extract(epoch FROM clock_timestamp()) * 1000000) < 60000000, 'its time is now')
  FROM pgevents.fetch('{a,b}', 9, NULL, 100, 1000000) LIMIT 1;
SELECT pg_temp.equal(string_agg(id || type, ' '), '10pgevents.reset 11t 12t 13t 13more', 'page')
  FROM pgevents.fetch('{a}', 3, NULL, 3, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '11t 12t 12more', 'a cursor at pruned_id is not a gap')
  FROM pgevents.fetch('{a}', 10, NULL, 2, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '11t 12t 12more', '0 never is a gap')
  FROM pgevents.fetch('{a}', 0, NULL, 2, 1000000);

-- test: a cursor ahead of the head is a gap
SELECT pgevents.publish('a', 't', '1');
SELECT pg_temp.equal(string_agg(concat_ws('|', id, channel_id, type, data), ' '),
  '1|a|pgevents.reset|{"reason":"ahead","oldest":2,"head":2} 2|a|t|1 2|end', 'page')
  FROM pgevents.fetch('{a}', 3, NULL, 100, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '1pgevents.reset 2t 2end', 'the largest cursor')
  FROM pgevents.fetch('{a}', 9223372036854775807, NULL, 100, 1000000);

-- test: a cursor by time returns newer events, to the microsecond
INSERT INTO pgevents.log (id, channel_id, ts, type, data)
  SELECT n, 'a', timestamptz '2030-01-01 00:00:00+00' + n * interval '1 microsecond', 't', '1'
  FROM generate_series(2, 9) n;
SELECT pg_temp.equal(string_agg(id || type, ' '), '5t 6t 7t 8t 9t 9end', 'after the fourth')
  FROM pgevents.fetch('{a}', NULL, 1893456000000004, 100, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '5t 5more', 'page')
  FROM pgevents.fetch('{a}', NULL, 1893456000000004, 1, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '9end', 'of another channel: the cursor is the head')
  FROM pgevents.fetch('{b}', NULL, 1893456000000004, 100, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '9end', 'the future')
  FROM pgevents.fetch('{a}', NULL, 9223372036854775807, 100, 1000000);
SELECT pg_temp.equal(count(*)::text, '9', 'the epoch') FROM pgevents.fetch('{a}', NULL, 0, 100, 1000000);
SELECT pg_temp.equal(count(*)::text, '9', 'before the epoch')
  FROM pgevents.fetch('{a}', NULL, -9223372036854775808, 100, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '8t 9t 9end', 'an id goes before a time')
  FROM pgevents.fetch('{a}', 7, 0, 100, 1000000);

-- test: a cursor by time before the pruned history is a gap
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(2, 9) n;
UPDATE pgevents.log SET ts = timestamptz '2020-01-01 00:00:00+00' + id * interval '1 second' WHERE id <= 5;
SELECT pgevents.prune();
SELECT pg_temp.equal(string_agg(id || type, ' '), '5pgevents.reset 6t 7t 8t 9t 9end', 'before')
  FROM pgevents.fetch('{a}', NULL, 1577836804999999, 100, 1000000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '6t 7t 8t 9t 9end', 'at the last pruned event')
  FROM pgevents.fetch('{a}', NULL, 1577836805000000, 100, 1000000);

-- test: after the clock was set back, a cursor by time misses no event that is newer than it
INSERT INTO pgevents.log (id, channel_id, ts, type, data)
  SELECT n, 'a', timestamptz '2030-01-01 00:00:00+00' + (n - CASE WHEN n > 50 THEN 30.5
  ELSE 0 END) * interval '1 second', 't', '1'
    FROM generate_series(2, 100) n;
SELECT pg_temp.ok(count(*) = 0, 'missed ' || string_agg(l.id::text, ' '))
  FROM generate_series(0, 99) AS second, pgevents.log l
 WHERE pgevents.us(l.ts) > 1893456000000000 + second * 1000000
   AND NOT EXISTS (SELECT FROM pgevents.fetch('{a}', NULL, 1893456000000000 + second * 1000000, NULL, NULL) f
   WHERE f.id = l.id);

-- test: expired events are not replayed, and leave no gap
SELECT pgevents.publish('a', 't' || n, '1', CASE WHEN n % 2 = 0 THEN interval '1 hour' END)
  FROM generate_series(2, 9) n;
UPDATE pgevents.log SET expires_at = now() - interval '1 second' WHERE expires_at IS NOT NULL;
SELECT pg_temp.equal(string_agg(id || type, ' '), '3t3 5t5 7t7 9t9 9end', 'before pruning')
  FROM pgevents.fetch('{a}', 0, NULL, 100, 1000000);
SELECT pg_temp.equal(count(*) FILTER (WHERE ttl_ms <= 0) || '/' || count(*), '4/8', 'the listener sees them, as dead')
  FROM pgevents.log_after(0, 100);
SELECT pg_temp.ok(pgevents.prune() >= 4, 'pruned');
SELECT pg_temp.equal(count(*)::text, '4', 'left') FROM pgevents.log;
SELECT pg_temp.equal(string_agg(id || type, ' '), '5t5 7t7 9t9 9end', 'after it')
  FROM pgevents.fetch('{a}', 4, NULL, 100, 1000000);

-- test: the head never goes back when the newest event expires
SELECT pgevents.publish('a', 't', '1', interval '1 hour') FROM generate_series(2, 5) n;
UPDATE pgevents.log SET expires_at = now() - interval '1 second';
SELECT pgevents.prune();
SELECT pg_temp.equal(pgevents.head()::text, '5', 'head');
SELECT pg_temp.equal(string_agg(id || type, ' '), '5end', 'page') FROM pgevents.fetch('{a}', 5, NULL, 100, 1000000);

-- test: all rows of a fetch come from one snapshot: every function that reads is STABLE
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.equal(provolatile::text, 's', proname || ' is STABLE') FROM pg_proc
 WHERE pronamespace = 'pgevents'::regnamespace AND proname IN ('fetch', 'page_start', 'head', 'log_after');
COMMIT;
