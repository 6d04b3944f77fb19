-- pgevents.fetch(channels, after, since_us, max_rows, max_bytes): reads one page of events, for catch-up and for the
-- fallback.
-- Parameters: channels: whose events; after: cursor, 0 = all kept events; since_us: cursor by time, microseconds since
--             the epoch, used if after is NULL; both NULL: from now on; max_rows, max_bytes (of data): the page ends
--             when either is reached.
-- Returns:    columns as in log_after(). At most one row of type 'pgevents.reset' (the cursor's history is gone), then
--             the events in order of id without those that have expired, then one row with channel_id NULL: id = cursor
--             to use next (that of the request, if this server may not have its event yet), type 'end' (no more
--             events) or 'more' (the page is full and more events follow). All rows come from one snapshot.
-- Errors:     PT503 on a copy that is not complete (copy_complete()).
-- Tables:     log, history, generations, copy_mark (read).
CREATE OR REPLACE FUNCTION pgevents.fetch(channels text[], after bigint, since_us bigint,
  max_rows int, max_bytes bigint)
RETURNS TABLE (id bigint, channel_id text, ts_us bigint, type text, data text, ttl_ms bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_generic_plan ROWS 100 AS $$
#variable_conflict use_column
DECLARE
  now_us     bigint := pgevents.us(clock_timestamp());
  row_limit  int := greatest(1, coalesce(max_rows, 1000));
  bytes_left bigint := coalesce(max_bytes, 9223372036854775807);
  page       record := pgevents.page_start(after, since_us);
  event      record;
BEGIN
  IF page.gap IS NOT NULL THEN
    RETURN QUERY SELECT page.start_id, channels[1], now_us, 'pgevents.reset',
      format('{"reason":"%s","oldest":%s,"head":%s}', page.gap, page.pruned_id + 1, page.head), NULL::bigint;
  END IF;
  -- One ordered index scan per channel, none longer than the page. Comparing the pair instead of id alone leaves only
  -- the index on (channel_id, id): by the primary key a quiet channel would cost a scan over all channels' events. One
  -- plan fits every call, and is kept (plan_cache_mode): planning costs more than reading most pages.
  FOR event IN
    SELECT l.*
      FROM (SELECT DISTINCT c.name COLLATE "C" AS name FROM unnest(channels) AS c (name)) wanted
      CROSS JOIN LATERAL (
        SELECT * FROM pgevents.log l
         WHERE (l.channel_id, l.id) > (wanted.name, page.start_id) AND l.channel_id <= wanted.name
           AND (l.expires_at IS NULL OR l.expires_at > statement_timestamp())
         ORDER BY l.channel_id, l.id LIMIT row_limit + 1) l
     ORDER BY l.id LIMIT row_limit + 1  -- one row beyond the page shows whether more events follow
  LOOP
    IF id IS NOT NULL AND (row_limit <= 0 OR bytes_left <= 0) THEN
      RETURN QUERY SELECT id, NULL, NULL::bigint, 'more', NULL, NULL::bigint;
      RETURN;
    END IF;
    -- Long values are read from their TOAST table only here, so that a row beyond the page costs nothing.
    id := event.id; channel_id := event.channel_id; ts_us := pgevents.us(event.ts); type := event.type;
    data := event.data::text; ttl_ms := (pgevents.us(event.expires_at) - now_us) / 1000;
    RETURN NEXT;
    row_limit := row_limit - 1;
    bytes_left := bytes_left - octet_length(data);
  END LOOP;
  RETURN QUERY SELECT page.head, NULL, NULL::bigint, 'end', NULL, NULL::bigint;
END
$$;
