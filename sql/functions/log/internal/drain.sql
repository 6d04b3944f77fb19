-- pgevents.drain(max_rows): gives ids to events that other transactions have left, in the order of their turns.
-- Parameters: max_rows: up to the turn with which it is this many; of a turn that has more than 1,000 events beyond
--             that only a part. The caller holds the lock "append" and is READ COMMITTED.
-- Returns:    events, turns: how many; is_more: whether there are more.
-- Errors:     none.
-- Tables:     ready (delete), log (insert).
-- One statement moves them, and so one snapshot: if it shows a transaction's events, it shows those of every
-- transaction that this one depended on, and they have smaller numbers. In a second statement another snapshot might
-- show more. Without anything to move it takes no lock by which mark_settled() would take this transaction for one that
-- has moved rows. The planner's settings: the table may have been empty, or huge, when a plan was made; a bitmap scan
-- would visit removed rows again and again.
CREATE OR REPLACE FUNCTION pgevents.drain(max_rows int, OUT events int, OUT turns int, OUT is_more boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  low      bigint := pg_sequence_last_value('pgevents.ready_low'::regclass);
  last_n   bigint;
  last_ord bigint;
  top      bigint;
BEGIN
  events := 0; turns := 0; is_more := false;
  IF NOT EXISTS (SELECT FROM pgevents.ready r WHERE r.n > low) THEN
    RETURN;
  END IF;
  SELECT r.n, r.ord INTO last_n, last_ord FROM pgevents.ready r
   WHERE r.n > low ORDER BY r.n, r.ord OFFSET max_rows - 1 LIMIT 1;
  last_ord := (SELECT r.ord FROM pgevents.ready r
                WHERE r.n = last_n AND r.ord > last_ord ORDER BY r.ord OFFSET 1000 LIMIT 1);
  WITH left_behind AS (
    DELETE FROM pgevents.ready r
     WHERE r.n > low AND (r.n, r.ord) <= (coalesce(last_n, 9223372036854775807),
                                          coalesce(last_ord, 9223372036854775807))
      RETURNING r.n, r.ord, r.channel_id, r.type, r.data, r.expires_at),
  moved AS (
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      SELECT nextval('pgevents.log_id_seq'), l.channel_id, clock_timestamp(), l.type, l.data, l.expires_at
        FROM (SELECT * FROM left_behind ORDER BY n, ord) l)
  SELECT count(*), count(DISTINCT l.n), max(l.n) INTO events, turns, top FROM left_behind l;
  IF events >= max_rows THEN
    is_more := EXISTS (SELECT FROM pgevents.ready r WHERE r.n >= top);
  END IF;
  IF events > 0 THEN
    PERFORM pg_notify('pgevents', 's'), setval('pgevents.ready_done', top);
  END IF;
END
$$;
