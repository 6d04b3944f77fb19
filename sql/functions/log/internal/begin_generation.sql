-- pgevents.begin_generation(first, after, place): begins a generation of ids, with an event that tells the listeners.
-- Parameters: first: its first id, which this event gets; after: the newest id before it; place: generation_place().
-- Returns:    nothing.
-- Errors:     none.
-- Tables:     generations (insert), log (insert). The caller has the lock "append".
CREATE OR REPLACE FUNCTION pgevents.begin_generation(first bigint, after bigint, place text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (first, after, place);
  PERFORM setval('pgevents.log_id_seq', first);
  INSERT INTO pgevents.log (id, channel_id, ts, type, data)
    VALUES (first, 'pgevents.control', clock_timestamp(), 'pgevents.generation', json_build_object('after', after));
  PERFORM pg_notify('pgevents', '');
END
$$;
