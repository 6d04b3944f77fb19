-- pgevents.listener_start(last_id, last_ts_us, preload): what a listener needs to know when it begins or comes back.
-- Parameters: last_id, last_ts_us: the last event it has (0: none); preload: how many events its ring can take.
-- Returns:    head; pruned_id: a listener that has nothing behind this cursor begins afresh (what it has is pruned, or of an older
--             generation), after the cursor start_after: there are at most preload events, all of one generation; continuous: false when the database is not a later state of the one that the listener knew (restored, failed over
--             with a loss).
-- Errors:     none.
-- Tables:     log, history, generations (read); generations (insert, see check_generation()).
-- The generation is checked before a listener begins, so that no ring holds events of two. Where the lock is taken, somebody who
-- gives ids has checked it. A log that is empty needs none: a dump may be restored into it.
CREATE OR REPLACE FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload int)
RETURNS TABLE (head bigint, pruned_id bigint, start_after bigint, continuous boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 1 AS $$
#variable_conflict use_column
BEGIN
  IF pgevents.head() > 1 AND NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
     AND pg_try_advisory_xact_lock(1885824374, 1) THEN
    PERFORM pgevents.check_generation();
  END IF;
  RETURN QUERY SELECT now.head, greatest(h.pruned_id, g.first_id - 1, 1),
         greatest((SELECT l.id FROM pgevents.log l ORDER BY l.id DESC OFFSET greatest(preload, 0) LIMIT 1), h.pruned_id, g.first_id - 1, 1),
         coalesce(last_id, 0) = 0 OR (last_id <= now.head
           AND NOT EXISTS (SELECT FROM pgevents.generations e WHERE last_id > e.after_id AND last_id < e.first_id - 1)
           AND NOT EXISTS (SELECT FROM pgevents.log l WHERE l.id = last_id AND pgevents.us(l.ts) <> last_ts_us))
    FROM (SELECT pgevents.head() AS head) now,
         LATERAL (SELECT max(e.pruned_id) AS pruned_id FROM pgevents.history e) h,
         LATERAL (SELECT max(e.first_id) AS first_id FROM pgevents.generations e) g;
END
$$;
