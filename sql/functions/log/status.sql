-- pgevents.status(): what an operator wants to see.
-- Parameters: none.
-- Returns:    a JSON object:
--             version         schema version of the tables
--             functions       schema version that the functions belong to
--             head            newest id
--             oldest          oldest id that may still be in the log
--             events          number of events in the log
--             generation      {number, first_id, begun_at} of the last generation; null: nothing was ever published
--             publishing      open transactions that have published
--             waiting         those of them that wait at COMMIT for the lock "append"
--             append          process id of the session that has the lock "append"; null: it is free
--             staged          rows that prune() will remove from staging, staging_rest and turns
--             group_commit    the setting
--             ready           committed events that have no ids yet
--             settled         whether no event can be without its id
--             sequencer       process id of the session that gives ids to what publishers leave; null: none does
--             bytes           {log, staging, ready}: their size, with indexes and TOAST; staging: with staging_rest
--                             and turns
--             pruned          {at, removed, removed_total}: the last call of prune() that removed something, or one in
--                             the last hour, its rows, and the rows of all calls; null: it was never called
--             revocations     users whose tokens are rejected
--             bans            those of them whose tokens are rejected until revoke() lifts it
--             role            primary, copy (is_copy()) or standby
--             publication     {missing}: tables that the publication pgevents lacks; null: there is no publication
--             slots           [{name, active, behind_bytes, retained_bytes, wal_status},…]: the logical replication
--                             slots here; behind_bytes: what the copy has not confirmed yet
--             subscription    {name, enabled, pid, seconds, received, copying, missing}, from PostgreSQL 15 on also
--                             apply_errors, sync_errors: the one that feeds the log; seconds: since the primary's last
--                             message; copying, missing: tables that have not arrived, or are not subscribed; null:
--                             there is none
--             warnings        sentences about publication, slots and subscription: what is to be done
-- Errors:     none.
-- Tables:     migrations, log, history, generations, staging, staging_rest, turns, ready, settings, prunes,
--             revocations (read).
-- Counts every row of the log (0.1 s for a million events): for people and for checks every few minutes. PL/pgSQL,
-- because a query on an unlogged table cannot even be planned on a standby, and because install.sql creates the
-- functions also when it stops at a version without some of the tables.
CREATE OR REPLACE FUNCTION pgevents.status() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  staged  bigint := 0;
  answer  jsonb;
BEGIN
  IF NOT pg_is_in_recovery() THEN
    staged := (SELECT count(*) FROM pgevents.staging) + (SELECT count(*) FROM pgevents.staging_rest)
      + (SELECT count(*) FROM pgevents.turns);
  END IF;
  -- prune() writes to staging as well; it has its own lock, "prune".
  WITH locks AS (
    SELECT l.pid, bool_or(l.relation = 'pgevents.staging'::regclass AND l.mode = 'RowExclusiveLock') AS publishes,
           bool_or(l.classid = 1885824374 AND l.objid = 1 AND l.objsubid = 2 AND NOT l.granted) AS waits,
           bool_or(l.classid = 1885824374 AND l.objid = 2 AND l.objsubid = 2 AND l.granted) AS prunes
      FROM pg_locks l
     WHERE l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
     GROUP BY l.pid)
  SELECT jsonb_build_object(
      'publishing', count(*) FILTER (WHERE k.publishes AND k.prunes IS NOT TRUE),
      'waiting', count(*) FILTER (WHERE k.publishes AND k.waits)) INTO answer FROM locks k;
  RETURN answer || jsonb_build_object(
    'version', (SELECT max(m.version) FROM pgevents.migrations m),
    'functions', (SELECT s.version FROM pgevents.schema_version() s),
    'head', pgevents.head(),
    'oldest', coalesce((SELECT h.pruned_id FROM pgevents.history h), 1) + 1,
    'events', (SELECT count(*) FROM pgevents.log),
    'generation', (SELECT jsonb_build_object('number', count(*) OVER (), 'first_id', g.first_id, 'begun_at', g.begun_at)
                     FROM pgevents.generations g ORDER BY g.first_id DESC LIMIT 1),
    'append', pgevents.lock_holder(1),
    'staged', staged,
    'group_commit', (SELECT s.value FROM pgevents.settings s WHERE s.name = 'group_commit'),
    'ready', (SELECT count(*) FROM pgevents.ready),
    'settled', pgevents.is_settled(),
    'sequencer', pgevents.lock_holder(6),
    'bytes', jsonb_build_object('log', pg_total_relation_size('pgevents.log'),
                                'staging', pg_total_relation_size('pgevents.staging')
                                  + pg_total_relation_size('pgevents.staging_rest')
                                  + pg_total_relation_size('pgevents.turns'),
                                'ready', pg_total_relation_size('pgevents.ready')),
    'pruned', (SELECT jsonb_build_object('at', p.pruned_at, 'removed', p.removed, 'removed_total', p.removed_total)
                 FROM pgevents.prunes p),
    'revocations', (SELECT count(*) FROM pgevents.revocations),
    'bans', (SELECT count(*) FROM pgevents.revocations r WHERE r.before = 'infinity')) || pgevents.copy_status();
END
$$;
