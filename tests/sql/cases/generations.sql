-- Generations: a log in another place than before (restored, promoted) may have lost its last events. Each test has the
-- events 2, 3 and 4 on channel a, and then moves to another place. Ids of the new generation are g0, g1 … (named()).

-- test: in another place ids continue far behind, and a cursor in between gets a reset
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
UPDATE pgevents.generations SET place = 'elsewhere';
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '4');
SELECT pg_temp.equal(string_agg(pg_temp.named(id) || channel_id || type || data, ' ' ORDER BY id),
  'g0pgevents.controlpgevents.generation{"after" : 4} g1at4', 'log')
  FROM pgevents.log WHERE id > 4;
SELECT pg_temp.equal(string_agg(pg_temp.named(id) || type, ' '), 'g1t g1end', 'a client that has every event here')
  FROM pgevents.fetch('{a}', 4, NULL, 9, 1000);
SELECT pg_temp.equal(string_agg(id || type || (data::json ->> 'reason'), ' ') FILTER (WHERE type = 'pgevents.reset'),
  '4pgevents.resetahead', cursor || ' was lost')
  FROM unnest(ARRAY[5, 7, 4 + 999999]) cursor, pgevents.fetch('{a}', cursor, NULL, 9, 1000)
  GROUP BY cursor;
SELECT pg_temp.equal(string_agg(pg_temp.named(id) || type, ' '), '4pgevents.reset g1t g1end',
  'nothing that the client knows is replayed')
  FROM pgevents.fetch('{a}', 7, NULL, 9, 1000);
SELECT pg_temp.equal(string_agg(pg_temp.named(id) || type, ' '), 'g1t g1end', cursor || ' is of the new generation')
  FROM pgevents.generations g, unnest(ARRAY[g.first_id - 1, g.first_id]) cursor,
    pgevents.fetch('{a}', cursor, NULL, 9, 1000) WHERE g.first_id > 1 GROUP BY cursor;
SELECT pg_temp.equal(string_agg(pg_temp.named(id) || type, ' '), '2t 3t 4t g1t g1end', 'everything')
  FROM pgevents.fetch('{a}', 0, NULL, 9, 1000);

-- test: a cursor of a generation that another database began gets a reset and everything, wherever that one left
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (5000000000, 4, pgevents.generation_place());
SELECT setval('pgevents.log_id_seq', 5000000000);
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '4');
SELECT pg_temp.equal(string_agg(id || type, ' '), '1pgevents.reset 2t 3t 4t 5000000001t 5000000001end', cursor::text)
  FROM unnest(ARRAY[4 + 1000000, 4 + pgevents.least_step(), 4999999998, 5000000002]) cursor,
    pgevents.fetch('{a}', cursor, NULL, 9, 1000) GROUP BY cursor;

-- test: a generation begins once, for all sessions, and again if it was rolled back
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
UPDATE pgevents.generations SET place = 'elsewhere';
RESET pgevents.generation_checked;
BEGIN;
SELECT pgevents.publish('a', 't', '4');
SET CONSTRAINTS ALL IMMEDIATE;
SELECT last_value FROM pgevents.log_id_seq \gset
ROLLBACK;
SELECT pg_temp.equal(pgevents.head()::text, '4', 'nothing has happened');
SELECT pgevents.publish('a', 't', '4');
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '5');
SELECT pg_temp.equal(count(*)::text, '2', 'generations') FROM pgevents.generations;
SELECT pg_temp.ok(max(first_id) - :last_value >= pgevents.least_step(), 'it begins behind ids that were rolled back')
  FROM pgevents.generations;
SELECT pg_temp.equal(pg_temp.named(pgevents.head()), 'g2', 'head');

-- test: a crash empties the mark, and the next event sets it once
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
TRUNCATE pgevents.crash_mark;
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '4');
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '5');
SELECT pg_temp.equal(string_agg(id || type || (data::json ->> 'reason'), ' ') FILTER (WHERE type = 'pgevents.reset'),
  '4pgevents.resetahead', 'lost')
  FROM pgevents.fetch('{a}', 5, NULL, 9, 1000);
SELECT pg_temp.equal(string_agg(pg_temp.named(id) || type, ' '), 'g1t g2t g2end', 'a client that has all events')
  FROM pgevents.fetch('{a}', 4, NULL, 9, 1000);

-- test: a listener starts afresh with the new generation, whatever it had
CREATE FUNCTION pg_temp.start(last_id bigint, ts_us bigint) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' ', pg_temp.named(head), pg_temp.named(pruned_id), pg_temp.named(start_after), continuous)
    FROM pgevents.listener_start(last_id, ts_us, 100)
$$;
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
SELECT pg_temp.equal(pg_temp.start(0, 0), '4 1 1 t', 'before');
UPDATE pgevents.generations SET place = 'elsewhere';
RESET pgevents.generation_checked;
SELECT pg_temp.equal(pg_temp.start(4, pgevents.us(ts)), 'g0 g-1 g-1 t', 'a listener that had all events')
  FROM pgevents.log WHERE id = 4;
SELECT pg_temp.equal(pg_temp.start(6, 1), 'g0 g-1 g-1 t', 'a listener that had more events');
SELECT pg_temp.equal(pg_temp.start(0, 0), 'g0 g-1 g-1 t', 'a listener that starts');
BEGIN READ ONLY;
SELECT pg_temp.equal(pg_temp.start(0, 0), 'g0 g-1 g-1 t', 'read-only');
COMMIT;

-- test: where a generation begins is random, at least a billion further, and at most a thousandth of its range's rest
CREATE TEMP TABLE drawn AS
  SELECT last, pgevents.generation_start(last) - last AS step, rest / 1000 AS share
    FROM (VALUES (1, 99999999999999), (4, 99999999999996), (123456789012, 99876543210988), (90000000000000, 10000000000000),
                 (8900000000000000, 100000000000000)) logs (last, rest), generate_series(1, 1000);
SELECT pg_temp.ok(bool_and(step >= pgevents.least_step() AND step < pgevents.least_step() + share), 'bounds') FROM drawn;
SELECT pg_temp.ok(min(step - pgevents.least_step()) < share * 0.05 AND max(step - pgevents.least_step()) > share * 0.95
    AND abs(avg(step - pgevents.least_step()) / share - 0.5) < 0.1, 'evenly, behind ' || last)
  FROM drawn GROUP BY last, share;
SELECT pg_temp.ok(count(DISTINCT step) > 995, 'none twice, behind ' || last) FROM drawn GROUP BY last;
SELECT pg_temp.equal(pgevents.generation_start(last)::text, (last + pgevents.least_step())::text, 'its last ids')
  FROM unnest(ARRAY[99999999999999, 8999999999999500]) last;

-- test: more than seven thousand generations fit into a range, and into the last one, of the integers of JavaScript
DO $$
DECLARE
  first bigint;
  last  bigint;
BEGIN
  FOREACH first IN ARRAY ARRAY[0, 8900000000000000] LOOP
    last := first;
    FOR n IN 1 .. 7000 LOOP
      last := pgevents.generation_start(last);
    END LOOP;
    PERFORM pg_temp.ok(last < first + pgevents.shard_width() AND last < 2 ^ 53, 'the last one begins at ' || last);
  END LOOP;
END $$;
