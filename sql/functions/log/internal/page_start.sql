-- pgevents.page_start(after, since_us): finds where a page of fetch() begins.
-- Parameters: as in fetch().
-- Returns:    start_id: events with a greater id belong to the page; head: the newest id, or the cursor if the server
--             may not have its event yet (may_lag()); pruned_id: history up to this id is gone; gap: NULL, or why the
--             cursor's history is missing ('pruned', 'ahead'); start_id is then the last id that the client is sure to
--             know: that before the gap between two generations, or pruned_id.
-- Errors:     PT503 on a copy that is not complete (copy_complete()).
-- Tables:     log, history, generations, copy_mark (read).
-- A time becomes an id, because ids are in commit order and times are only as good as the clock. The least id of a
-- hundred rows, not that of the first row: after the clock was set back, the first row by time need not be the first by
-- id.
CREATE OR REPLACE FUNCTION pgevents.page_start(after bigint, since_us bigint,
  OUT start_id bigint, OUT head bigint, OUT pruned_id bigint, OUT gap text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  since     timestamptz;
  pruned_ts timestamptz;
  shared_id bigint;  -- the last id before the gap between generations in which the cursor lies
  known_id  bigint;  -- that id, if the client is sure to know everything up to it
BEGIN
  PERFORM pgevents.copy_complete();
  -- Without a row nothing has been pruned.
  SELECT h.pruned_id, h.pruned_ts INTO pruned_id, pruned_ts FROM pgevents.history h;
  pruned_id := coalesce(pruned_id, 1);
  head := greatest((SELECT max(l.id) FROM pgevents.log l), pruned_id);
  IF after IS NOT NULL THEN
    -- A cursor by time may stand just before the first id of a generation.
    shared_id := (SELECT min(g.after_id) FROM pgevents.generations g WHERE after > g.after_id AND after < g.first_id - 1);
    gap := CASE WHEN shared_id IS NOT NULL OR (after > head AND NOT pgevents.may_lag(after, head)) THEN 'ahead'
                WHEN after > 0 AND after < pruned_id THEN 'pruned' END;
    -- Further behind the gap's beginning than the events that a crash or a failover loses, the cursor is of a database
    -- that had left this history and begun a generation of its own. Nothing here says where that was.
    known_id := CASE WHEN after - shared_id < 1000000 THEN shared_id END;
    start_id := after;
    head := CASE WHEN gap IS NULL THEN greatest(head, after) ELSE head END;
  ELSIF since_us IS NOT NULL THEN
    -- The product is exact up to 2^53, which is the year 2255.
    since := timestamptz 'epoch' + greatest(0, least(since_us, 9007199254740992)) * interval '1 microsecond';
    gap := CASE WHEN since < pruned_ts THEN 'pruned' END;
    SELECT coalesce(min(first.id) - 1, head) INTO start_id
      FROM (SELECT l.id FROM pgevents.log l WHERE l.ts > since ORDER BY l.ts, l.id LIMIT 100) first;
  ELSE
    start_id := head;
  END IF;
  -- Applies to the cursor 0 too: the index has only dead entries below pruned_id.
  start_id := CASE WHEN gap IS NULL THEN greatest(start_id, pruned_id) ELSE greatest(known_id, pruned_id) END;
END
$$;
