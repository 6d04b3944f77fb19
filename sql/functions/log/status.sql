-- pgevents.status(): what an operator wants to see.
-- Parameters: none.
-- Returns:    {"version":…,"head":…,"oldest":…,"events":…,"staged":…,"revocations":…}: schema version, newest id,
--             oldest id that may still be in the log, number of events (an estimate beyond 10,000), rows that prune()
--             will remove from staging (at most 10,000), users whose tokens are rejected (at most 100,000).
-- Errors:     none.
-- Tables:     migrations, log, history, staging, revocations (read).
-- PL/pgSQL, because a query on an unlogged table cannot even be planned on a standby.
CREATE OR REPLACE FUNCTION pgevents.status() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  events bigint := (SELECT count(*) FROM (SELECT FROM pgevents.log LIMIT 10000) l);
  staged bigint := 0;
BEGIN
  IF events = 10000 THEN
    events := greatest(events, (SELECT reltuples::bigint FROM pg_class WHERE oid = 'pgevents.log'::regclass));
  END IF;
  IF NOT pg_is_in_recovery() THEN
    staged := (SELECT count(*) FROM (SELECT FROM pgevents.staging LIMIT 10000) s);
  END IF;
  RETURN jsonb_build_object(
    'version', (SELECT max(version) FROM pgevents.migrations),
    'head', pgevents.head(),
    'oldest', coalesce((SELECT pruned_id FROM pgevents.history), 1) + 1,
    'events', events,
    'staged', staged,
    'revocations', (SELECT count(*) FROM (SELECT FROM pgevents.revocations LIMIT 100000) r));
END
$$;
