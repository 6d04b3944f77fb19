-- pgevents.listener_start(last_id, last_ts_us, preload): what a listener needs when it starts or reconnects.
-- Parameters: last_id, last_ts_us: the last event it has (0: none); preload: how many events its ring can take.
-- Returns:    head; pruned_id: a listener that has no event behind this cursor starts afresh (what it has is pruned, or
--             of an older generation), after the cursor start_after: at most preload events follow, all of one
--             generation; continuous: false if the database is not a later state of the one that the listener knew
--             (restored, or failed over with a loss).
-- Errors:     PT503 on a copy that is not complete (copy_complete()).
-- Tables:     log, history, generations, copy_mark (read); generations (insert, see check_generation()).
-- Checks the generation before the listener starts, so that no ring holds events of two. If the lock "append" is taken,
-- its owner assigns ids and has checked the generation. An empty log needs no generation: a dump may be restored into
-- it; nor does a copy, whose generations are the primary's. A listener whose events were lost with a generation starts
-- afresh, and each of its clients is judged by its own cursor (page_start()). A listener that came from a faster server
-- keeps what it has (may_lag()).
CREATE OR REPLACE FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload int)
RETURNS TABLE (head bigint, pruned_id bigint, start_after bigint, continuous boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 1 AS $$
#variable_conflict use_column
BEGIN
  PERFORM pgevents.copy_complete();
  IF pgevents.head() > 1 AND NOT pgevents.is_fed() AND NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
     AND pg_try_advisory_xact_lock(1885824374, 1) THEN  -- lock "append"
    PERFORM pgevents.check_generation();
  END IF;
  RETURN QUERY SELECT now.head, greatest(h.pruned_id, g.first_id - 1, 1),
         greatest((SELECT l.id FROM pgevents.log l ORDER BY l.id DESC OFFSET greatest(preload, 0) LIMIT 1),
                  h.pruned_id, g.first_id - 1, 1),
         coalesce(last_id, 0) = 0 OR EXISTS (
           SELECT FROM pgevents.generations e WHERE last_id > e.after_id AND last_id < e.first_id - 1)
         OR ((last_id <= now.head OR pgevents.may_lag(last_id, now.head))
           AND NOT EXISTS (SELECT FROM pgevents.log l WHERE l.id = last_id AND pgevents.us(l.ts) <> last_ts_us))
    FROM (SELECT pgevents.head() AS head) now,
         LATERAL (SELECT max(e.pruned_id) AS pruned_id FROM pgevents.history e) h,
         LATERAL (SELECT max(e.first_id) AS first_id FROM pgevents.generations e) g;
END
$$;
