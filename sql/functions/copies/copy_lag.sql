-- pgevents.copy_lag(after): how far a copy of this log is behind, whose newest event is `after`. A front-end of the
-- copy asks its primary.
-- Parameters: after: an event id.
-- Returns:    one row: ids bigint, how many ids were given behind `after`; the steps between generations do not count
--                      ms  bigint, for how many milliseconds the oldest event behind `after` has been in the log
--             Both are 0 if the copy has everything, however long ago the newest event was published.
-- Errors:     none.
-- Tables:     log, history (read, through head()), generations (read).
-- Both times are of this server's clock. If the copy is so late that what it lacks was pruned, the oldest event that is
-- kept counts.
CREATE OR REPLACE FUNCTION pgevents.copy_lag(after bigint, OUT ids bigint, OUT ms bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  ids := greatest(0, pgevents.head() - after - coalesce((
    SELECT sum(g.first_id - 1 - greatest(g.after_id, after)) FROM pgevents.generations g WHERE g.first_id > after), 0));
  ms := coalesce((SELECT greatest(1000 * date_part('epoch', clock_timestamp() - l.ts), 0)
                    FROM pgevents.log l WHERE l.id > after ORDER BY l.id LIMIT 1), 0);
END
$$;
