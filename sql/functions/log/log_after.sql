-- pgevents.log_after(after, max_rows): reads the new events of all channels, for the listener.
-- Parameters: after: the last id it has; max_rows: at most this many rows (NULL: all).
-- Returns:    rows with id > after in order of id. ts_us: microseconds since the epoch; data: the inner JSON, verbatim;
--             ttl_ms: milliseconds until the event expires (<= 0: it has expired), NULL if it does not expire.
-- Errors:     PT503 if the listener must begin anew, because the log has become a copy since it did.
-- Tables:     log (read); on a copy also history, generations, copy_mark (read).
-- Every listener calls it for every commit: planning it anew each time (LANGUAGE sql does, and plpgsql would, because
-- of LIMIT) would cost several times as much as reading. Only one plan is possible, that by the primary key.
-- A listener that began at the head of an empty log, 1, believes that its ring has everything behind that. In a copy
-- that was made meanwhile some of it was pruned, or lost with a generation, on the primary: listener_start() has to be
-- asked again.
CREATE OR REPLACE FUNCTION pgevents.log_after(after bigint, max_rows int)
RETURNS TABLE (id bigint, channel_id text, ts_us bigint, type text, data text, ttl_ms bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
ROWS 1000 AS $$
#variable_conflict use_column
BEGIN
  IF log_after.after = 1 AND pgevents.is_fed() THEN
    PERFORM pgevents.copy_complete();
    IF greatest((SELECT h.pruned_id FROM pgevents.history h),
                (SELECT max(g.first_id) - 1 FROM pgevents.generations g)) > 1 THEN
      PERFORM pgevents.raise_error(503, 'SERVICE_UNAVAILABLE', 'The log was copied since this listener began');
    END IF;
  END IF;
  RETURN QUERY
    SELECT l.id, l.channel_id, pgevents.us(l.ts), l.type, l.data::text,
           (pgevents.us(l.expires_at) - pgevents.us(clock_timestamp())) / 1000
      FROM pgevents.log l
     WHERE l.id > log_after.after
     ORDER BY l.id
     LIMIT log_after.max_rows;
END
$$;
