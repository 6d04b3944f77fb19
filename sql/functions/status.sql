-- pgevents.status(): what an operator wants to see.
-- Parameters: none.
-- Returns:    {"version":…,"head":…,"oldest":…,"events":…,"staged":…}: schema version, newest id, oldest id that may still be
--             there, number of events (an estimate beyond 10,000), rows that prune() will remove from staging (at most 10,000).
-- Errors:     none.
-- Tables:     migrations, log, history, staging (read).
CREATE OR REPLACE FUNCTION pgevents.status() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT jsonb_build_object(
    'version', (SELECT max(version) FROM pgevents.migrations),
    'head', pgevents.head(),
    'oldest', (SELECT pruned_id + 1 FROM pgevents.history),
    'events', CASE WHEN counted.n < 10000 THEN counted.n
              ELSE greatest(counted.n, (SELECT reltuples::bigint FROM pg_class WHERE oid = 'pgevents.log'::regclass)) END,
    'staged', (SELECT count(*) FROM (SELECT FROM pgevents.staging LIMIT 10000) s))
    FROM (SELECT count(*) AS n FROM (SELECT FROM pgevents.log LIMIT 10000) l) counted
$$;
