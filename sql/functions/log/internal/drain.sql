-- pgevents.drain(max_rows): gives ids to events that other transactions have left, in the order of their turns.
-- Parameters: max_rows: up to the turn with which it is this many (see drain_end()); of a turn that has more than 1,000
--             events beyond that only a part; NULL: all. The caller holds the lock "append" and is READ COMMITTED.
-- Returns:    events, turns: how many; is_more: whether there are more.
-- Errors:     none.
-- Tables:     ready (delete), log (insert), ready_marks (see ready_start(), mark_passed()).
-- One statement moves them, and so one snapshot: if it shows a transaction's events, it shows those of every
-- transaction that this one depended on, and they have smaller numbers. In a second statement another snapshot might
-- show more. Without anything to move it takes no lock by which mark_settled() would take this transaction for one that
-- has moved rows. While it moves a big turn in parts ready_done is too high, so that the turns behind it, which are
-- small, do not wait in turn_left(); and while it moves all, which may take seconds, it goes on to raise it. The
-- planner's settings: the table may have been empty, or huge, when a plan was made; a bitmap scan would visit removed
-- rows again and again.
CREATE OR REPLACE FUNCTION pgevents.drain(max_rows int, OUT events int, OUT turns int, OUT is_more boolean)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  drawn    bigint := pg_sequence_last_value('pgevents.ready_n'::regclass);
  start    record;
  last_n   bigint;
  last_ord bigint;
  top      bigint;
BEGIN
  SELECT * INTO start FROM pgevents.ready_start();
  events := 0; turns := 0; is_more := false;
  IF start.n IS NULL THEN
    RETURN;
  ELSIF drawn - greatest(start.last, start.after) > 500 AND pg_current_xact_id_if_assigned() IS NULL THEN
    PERFORM pgevents.mark_passed();
  END IF;
  SELECT e.end_n, e.end_ord INTO last_n, last_ord FROM pgevents.drain_end(start.n, start.after, max_rows) e;
  WITH passed AS (
    DELETE FROM pgevents.ready r
     WHERE r.n = ANY (ARRAY(SELECT p.n FROM pgevents.ready p WHERE p.left_by = ANY (start.passed)
                                                               AND p.n + 0 <= start.after))
       AND (r.n, r.ord) <= (coalesce(last_n, 9223372036854775807), coalesce(last_ord, 9223372036854775807))
      RETURNING r.n, r.ord, r.channel_id, r.type, r.data, r.expires_at),
  others AS (
    DELETE FROM pgevents.ready r
     WHERE r.n > start.after
       AND (r.n, r.ord) <= (coalesce(last_n, 9223372036854775807), coalesce(last_ord, 9223372036854775807))
      RETURNING r.n, r.ord, r.channel_id, r.type, r.data, r.expires_at,
                CASE WHEN max_rows IS NULL AND r.ord % 512 = 0 THEN
                  setval('pgevents.ready_done', pg_sequence_last_value('pgevents.ready_n'::regclass)) END),
  left_behind AS (
    SELECT * FROM passed UNION ALL SELECT n, ord, channel_id, type, data, expires_at FROM others),
  moved AS (
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      SELECT nextval('pgevents.log_id_seq'), l.channel_id, clock_timestamp(), l.type, l.data, l.expires_at
        FROM (SELECT * FROM left_behind ORDER BY n, ord) l
      RETURNING CASE WHEN max_rows IS NULL AND id % 512 = 0 THEN
                  setval('pgevents.ready_done', pg_sequence_last_value('pgevents.ready_n'::regclass)) END)
  SELECT count(*), count(DISTINCT l.n), max(l.n) INTO events, turns, top FROM left_behind l;
  IF last_n IS NOT NULL THEN
    is_more := (SELECT s.n IS NOT NULL FROM pgevents.ready_start() s);
  END IF;
  IF events > 0 THEN
    PERFORM pg_notify('pgevents', 's'),
      setval('pgevents.ready_done', CASE WHEN last_ord IS NULL THEN greatest(top, start.after) ELSE drawn END);
  END IF;
END
$$;
