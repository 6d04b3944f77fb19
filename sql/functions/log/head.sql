-- pgevents.head(): the newest id; as a cursor, "from now on".
-- Parameters: none.
-- Returns:    bigint; 1 if no event has ever been published.
-- Errors:     none.
-- Tables:     log, history (read).
CREATE OR REPLACE FUNCTION pgevents.head() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT greatest((SELECT max(id) FROM pgevents.log), (SELECT pruned_id FROM pgevents.history), 1)
$$;
