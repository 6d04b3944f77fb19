-- become_shard(): a log with a range of ids of its own, in which no cursor of another shard lies.

-- test: an empty log becomes a shard, and every cursor of another one gets a reset
SELECT pg_temp.equal(pgevents.become_shard(3)::text, '300000000000000', 'the first id');
SELECT pg_temp.equal(pgevents.head()::text, '300000000000000', 'the head');
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 2) n;
SELECT pg_temp.equal(string_agg(cursor || ': ' || rows, ' | ' ORDER BY cursor),
  '0: 300000000000001t 300000000000002t end'
  ' | 1: 300000000000001t 300000000000002t end'
  ' | 434: 1pgevents.reset(ahead) 300000000000001t 300000000000002t end'
  ' | 200000000000434: 1pgevents.reset(ahead) 300000000000001t 300000000000002t end'
  ' | 299999999999998: 1pgevents.reset(ahead) 300000000000001t 300000000000002t end'
  ' | 300000000000000: 300000000000001t 300000000000002t end'
  ' | 300000000000001: 300000000000002t end'
  ' | 400000000000434: 1pgevents.reset(ahead) 300000000000001t 300000000000002t end',
  'by cursor')
  FROM (SELECT cursor, string_agg(CASE f.type WHEN 'end' THEN 'end' WHEN 'pgevents.reset'
                 THEN f.id || f.type || '(' || (f.data::json ->> 'reason') || ')' ELSE f.id || f.type END, ' '
                 ORDER BY f.type = 'end', f.id) AS rows
          FROM unnest(ARRAY[0, 1, 434, 200000000000434, 299999999999998, 300000000000000, 300000000000001,
                            400000000000434]) cursor,
               pgevents.fetch('{a}', cursor, NULL, 9, 1000) f GROUP BY cursor) answers;

-- test: a cursor of a shard is beyond the ids of a log that never became one
SELECT pgevents.publish('a', 't', '1');
SELECT pg_temp.equal(string_agg(f.type || coalesce(f.data::json ->> 'reason', ''), ' ' ORDER BY f.type DESC),
  't pgevents.resetahead end', 'a cursor of shard 1') FROM pgevents.fetch('{a}', 100000000000434, NULL, 9, 1000) f;

-- test: the cursors of a log that becomes a shard later stay valid
SELECT pgevents.publish('a', 't', to_json(n)) FROM generate_series(1, 3) n;
SELECT pg_temp.equal(pgevents.become_shard(1)::text, '100000000000000', 'the first id');
SELECT pgevents.publish('a', 't', '4');
SELECT pg_temp.equal(string_agg(f.id || f.type, ' ' ORDER BY f.id), '4t 100000000000001t 100000000000001end', 'its own')
  FROM pgevents.fetch('{a}', 3, NULL, 9, 1000) f;
SELECT pg_temp.equal(string_agg(f.id || f.type, ' ' ORDER BY f.id), '100000000000001t 100000000000001end', 'its last')
  FROM pgevents.fetch('{a}', 4, NULL, 9, 1000) f;
SELECT pg_temp.equal(string_agg(f.type, ' ' ORDER BY f.id), 'pgevents.reset t end', 'behind its last')
  FROM pgevents.fetch('{a}', 5, NULL, 9, 1000) f;

-- test: a shard stays what it is, moves to a later range, and never back
SELECT pgevents.become_shard(1);
SELECT pgevents.publish('a', 't', '1');
SELECT pg_temp.equal(pgevents.become_shard(1)::text, '100000000000000', 'again');
SELECT pg_temp.equal(pgevents.head()::text, '100000000000001', 'the head stays');
SELECT pg_temp.equal(pgevents.become_shard(2)::text, '200000000000000', 'a clone that becomes a shard of its own');
SELECT pg_temp.equal(count(*)::text, '3', 'generations') FROM pgevents.generations;
SELECT pg_temp.fails('SELECT pgevents.become_shard(1)', 'PT409', 'This log is shard 2 already, and ids never go back');
SELECT pg_temp.rejected(format('SELECT pgevents.become_shard(%s)', number), 'The number of a shard is 1 to 89')
  FROM unnest('{0,-1,90,null::int}'::text[]) number;
SELECT pg_temp.equal(pgevents.become_shard(89)::text, '8900000000000000', 'the last shard');
SELECT pg_temp.ok(pgevents.head() + 100000000000000 < 2 ^ 53, 'all its ids are safe integers of JavaScript');

-- test: a crash begins a generation in the same range
SELECT pgevents.become_shard(1);
TRUNCATE pgevents.crash_mark;
RESET pgevents.generation_checked;
SELECT pgevents.publish('a', 't', '1');
SELECT pg_temp.ok(pgevents.head() > 100000000000000 + pgevents.least_step() AND pgevents.head() < 200000000000000,
  'the head: ' || pgevents.head());

-- test: a copy has the ids of its primary, and takes no cursor of another shard for its lag
SELECT pgevents.publish('a', 't', '1');
INSERT INTO pgevents.copy_mark DEFAULT VALUES;
SELECT pg_temp.fails('SELECT pgevents.become_shard(1)', 'PT503', 'not the primary');
SELECT pg_temp.ok(pgevents.may_lag(pgevents.head() + 500, pgevents.head()), 'a cursor of its primary');
SELECT pg_temp.ok(NOT pgevents.may_lag(number * 100000000000000 + 434, pgevents.head()), 'a cursor of shard ' || number)
  FROM generate_series(1, 89) number;
