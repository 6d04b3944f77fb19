-- pgevents.listener_start(last_id, last_ts_us, preload): what a listener needs to know when it begins or comes back.
-- Parameters: last_id, last_ts_us: the last event it has (0: none); preload: how many events its ring can take.
-- Returns:    head, pruned_id; start_after: cursor after which there are at most preload events; continuous: false when the
--             database is not a later state of the one that the listener knew (restored, failed over with a loss).
-- Errors:     none.
-- Tables:     log, history (read).
CREATE OR REPLACE FUNCTION pgevents.listener_start(last_id bigint, last_ts_us bigint, preload int)
RETURNS TABLE (head bigint, pruned_id bigint, start_after bigint, continuous boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp ROWS 1 AS $$
  SELECT now.head, h.pruned_id,
         coalesce((SELECT l.id FROM pgevents.log l ORDER BY l.id DESC OFFSET greatest(preload, 0) LIMIT 1), h.pruned_id),
         coalesce(last_id, 0) = 0 OR (last_id <= now.head AND NOT EXISTS (
           SELECT FROM pgevents.log l WHERE l.id = last_id AND pgevents.us(l.ts) <> last_ts_us))
    FROM pgevents.history h, LATERAL (SELECT pgevents.head() AS head) now
$$;
