-- Generations: a log in another place than before (restored, promoted) may have lost its last events. Each test has the
-- events 2, 3 and 4 on channel a, and then moves to another place.

-- test: in another place ids continue far behind, and a cursor in between gets a reset
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
UPDATE pgevents.generations SET place = 'elsewhere';
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '4');
SELECT pg_temp.equal(string_agg(id || channel_id || type || data, ' ' ORDER BY id),
  '1000000004pgevents.controlpgevents.generation{"after" : 4} 1000000005at4', 'log')
  FROM pgevents.log WHERE id > 4;
SELECT pg_temp.equal(string_agg(id || type, ' '), '1000000005t 1000000005end', 'a client that has every event here')
  FROM pgevents.fetch('{a}', 4, NULL, 9, 1000);
SELECT pg_temp.equal(string_agg(id || type || (data::json ->> 'reason'), ' ') FILTER (WHERE type = 'pgevents.reset'),
  '4pgevents.resetahead', cursor || ' was lost')
  FROM unnest(ARRAY[5, 7, 1000000002]) cursor, pgevents.fetch('{a}', cursor, NULL, 9, 1000) GROUP BY cursor;
SELECT pg_temp.equal(string_agg(id || type, ' '), '4pgevents.reset 1000000005t 1000000005end',
  'nothing that the client knows is replayed')
  FROM pgevents.fetch('{a}', 7, NULL, 9, 1000);
SELECT pg_temp.equal(string_agg(id || type, ' '), '1000000005t 1000000005end', cursor || ' is of the new generation')
  FROM unnest(ARRAY[1000000003, 1000000004]) cursor, pgevents.fetch('{a}', cursor, NULL, 9, 1000) GROUP BY cursor;
SELECT pg_temp.equal(string_agg(id || type, ' '), '2t 3t 4t 1000000005t 1000000005end', 'everything')
  FROM pgevents.fetch('{a}', 0, NULL, 9, 1000);

-- test: a generation begins once, for all sessions, and again if it was rolled back
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
UPDATE pgevents.generations SET place = 'elsewhere';
RESET pgevents.generation_checked;
BEGIN;
SELECT pgevents.publish('a', 't', '4');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
SELECT pg_temp.equal(pgevents.head()::text, '4', 'nothing has happened');
SELECT pgevents.publish('a', 't', '4');
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '5');
SELECT pg_temp.equal(count(*)::text || ' ' || max(first_id - after_id), '2 2000000001', 'generations')
  FROM pgevents.generations;
SELECT pg_temp.equal(pgevents.head()::text, '2000000007', 'head');

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
SELECT pg_temp.equal(string_agg(id || type, ' '), '1000000005t 1000000006t 1000000006end',
  'a client that has all events')
  FROM pgevents.fetch('{a}', 4, NULL, 9, 1000);

-- test: a listener starts afresh with the new generation, whatever it had
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
SELECT pg_temp.equal(l::text, '(4,1,1,t)', 'before') FROM pgevents.listener_start(0, 0, 100) l;
UPDATE pgevents.generations SET place = 'elsewhere';
RESET pgevents.generation_checked;
SELECT pg_temp.equal(l::text, '(1000000004,1000000003,1000000003,t)', 'a listener that had all events')
  FROM pgevents.log e, pgevents.listener_start(4, pgevents.us(e.ts), 100) l WHERE e.id = 4;
SELECT pg_temp.equal(l::text, '(1000000004,1000000003,1000000003,t)', 'a listener that had more events')
  FROM pgevents.listener_start(6, 1, 100) l;
SELECT pg_temp.equal(l::text, '(1000000004,1000000003,1000000003,t)', 'a listener that starts')
  FROM pgevents.listener_start(0, 0, 100) l;
BEGIN READ ONLY;
SELECT pg_temp.equal(l::text, '(1000000004,1000000003,1000000003,t)', 'read-only')
  FROM pgevents.listener_start(0, 0, 100) l;
COMMIT;
