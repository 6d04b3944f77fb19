-- pgevents.log_after(after, max_rows): reads the new events of all channels, for the listener.
-- Parameters: after: the last id it has; max_rows: at most this many rows (NULL: all).
-- Returns:    rows with id > after in order of id. ts_us: microseconds since the epoch; data: the inner JSON, verbatim;
--             ttl_ms: milliseconds until the event expires (<= 0: it has expired), NULL if it does not expire.
-- Errors:     none.
-- Tables:     log (read).
-- Every listener calls it for every commit: planning it anew each time (LANGUAGE sql does, and plpgsql would, because
-- of LIMIT) would cost several times as much as reading. Only one plan is possible, that by the primary key.
CREATE OR REPLACE FUNCTION pgevents.log_after(after bigint, max_rows int)
RETURNS TABLE (id bigint, channel_id text, ts_us bigint, type text, data text, ttl_ms bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
ROWS 1000 AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
    SELECT l.id, l.channel_id, pgevents.us(l.ts), l.type, l.data::text,
           (pgevents.us(l.expires_at) - pgevents.us(clock_timestamp())) / 1000
      FROM pgevents.log l
     WHERE l.id > log_after.after
     ORDER BY l.id
     LIMIT log_after.max_rows;
END
$$;
