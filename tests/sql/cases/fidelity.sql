-- test: inner data is kept to the byte: order of keys, repeated keys, digits, spaces, escapes
INSERT INTO pgevents.events (channel_id, data) VALUES
  ('c', '{"type":"t","data":{"b":1.10e+02,  "a":123456789012345678901234567890, "b":-0.0,"\u0061":"\u00e9\/é"}}');
SELECT pg_temp.equal(data, '{"b":1.10e+02,  "a":123456789012345678901234567890, "b":-0.0,"\u0061":"\u00e9\/é"}', 'data')
  FROM pgevents.log_after(0, 1);

-- test: raw newlines, carriage returns and tabs between tokens are kept
SELECT pgevents.publish('c', 't', E'{"a":\r\n\t1,\n"b":[\r2]}');
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', E'{"type":\n"t",\r\n"data":\n{"a":\r\n\t1,\n"b":[\r2]}\n}');
SELECT pg_temp.equal(data, E'{"a":\r\n\t1,\n"b":[\r2]}', 'data') FROM pgevents.log_after(0, 2);

-- test: NUL escapes and lone surrogates in inner data are kept
INSERT INTO pgevents.events (channel_id, data) VALUES
  ('c', '{"type":"t","data":"\u0000"}'),
  ('c', '{"type":"t","data":{"\u0000":"\ud800","x":"\udc00\uD83D\uDE00\ud83d\ude00"}}'),
  ('c', '{"data":"\\u0000\\\u0000\\\\u0000","type":"t"}'),
  ('c', '{"type":"t\\u0000","data":"\ud800"}');
SELECT pg_temp.equal(string_agg(type || data, ' '), concat_ws(' ', 't"\u0000"',
  't{"\u0000":"\ud800","x":"\udc00\uD83D\uDE00\ud83d\ude00"}', 't"\\u0000\\\u0000\\\\u0000"', 't\u0000"\ud800"'),
  'data')
  FROM pgevents.log_after(0, 10);
SELECT pg_temp.equal((SELECT data::text FROM pgevents.events WHERE id = 2), '{"type" : "t", "data" : "\u0000"}',
  'view');

-- test: the stand-in for such escapes never shows, even if the text already contains it
INSERT INTO pgevents.events (channel_id, data) VALUES
  ('c', '{"type":"t","data":"\/ \/1~ \/2~\u0000 \/3~\/\/\u0000\/4~\ud800\/"}'),
  ('c', '{"type":"t","data":"\\/\u0000/\\\/\u0000"}');
SELECT pg_temp.equal(string_agg(data, '|'),
  '"\/ \/1~ \/2~\u0000 \/3~\/\/\u0000\/4~\ud800\/"|"\\/\u0000/\\\/\u0000"', 'data') FROM pgevents.log_after(0, 10);

-- test: random texts of awkward pieces are returned unchanged
SELECT setseed(0.42);
CREATE TEMP TABLE texts AS
  SELECT n, '"' || string_agg((ARRAY['\u0000', '\\', '\/', '\ud83d', '\ude00', '\u0061', 'u0000', '1~', '\"', 'é', '/',
  '\n', '\uD800\uDC00'])
    [1 + floor(random() * 13)::int], '' ORDER BY piece) || '"' AS text
    FROM generate_series(1, 2000) n, generate_series(1, 12) piece GROUP BY n;
INSERT INTO pgevents.events (channel_id, data)
  SELECT 'c', ('{"type":"t","data":' || text || '}')::json FROM texts ORDER BY n;
SELECT pg_temp.ok(count(*) = 2000 AND bool_and(l.data = t.text), 'all equal')
  FROM pgevents.log_after(0, NULL) l JOIN texts t ON t.n = l.id - 1;

-- test: every kind of character is kept
SELECT pgevents.publish('c', 't', to_json(string_agg(chr(n), '' ORDER BY n)))
  FROM generate_series(1, 1114111, 37) n WHERE n NOT BETWEEN 55296 AND 57343;
INSERT INTO pgevents.events (channel_id, data) SELECT 'c', json_build_object('type', 't', 'data', data)
  FROM pgevents.log;
SELECT pg_temp.ok(count(*) = 2 AND count(DISTINCT data) = 1, 'both ways the same') FROM pgevents.log_after(0, 10);
SELECT pg_temp.ok(length(data::json #>> '{}') > 30000, 'and not empty') FROM pgevents.log_after(0, 1);

-- test: events of 1 MB and of 1 byte are kept
SELECT pgevents.publish('c', 't', to_json(repeat('0123456789abcdef', 65536)));
SELECT pgevents.publish('c', 't', (SELECT json_agg(md5(n::text)) FROM generate_series(1, 30000) n));
SELECT pgevents.publish('c', 't', '1');
SELECT pg_temp.equal(string_agg(octet_length(data)::text, ' '), '1048578 1080000 1', 'bytes')
  FROM pgevents.log_after(0, 10);
SELECT pg_temp.equal(md5(data), md5((SELECT json_agg(md5(n::text)) FROM generate_series(1, 30000) n)::text), 'content')
  FROM pgevents.log_after(2, 1);

-- test: times are returned in exact microseconds
SELECT setseed(0.1);
INSERT INTO pgevents.log (id, channel_id, ts, type, data)
  SELECT n, 'c', timestamptz 'epoch' + us * interval '1 microsecond', 't', to_json(us)
    FROM (SELECT n, (random() * 4.2e15)::bigint AS us FROM generate_series(2, 20000) n) t;
SELECT pg_temp.equal(count(*) FILTER (WHERE ts_us::text <> data)::text, '0', 'differences')
  FROM pgevents.log_after(0, NULL);
SELECT pg_temp.equal(count(*)::text, '19999', 'rows') FROM pgevents.log_after(0, NULL);
