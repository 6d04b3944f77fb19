-- pgevents.prune(max_rows): removes one batch of what is no longer needed; the front-ends call it now and then.
-- Parameters: max_rows: at most this many rows of each kind (staging and turns: ten times as many).
-- Returns:    number of rows removed; 0: nothing is left to do, another session is pruning, or this is a standby or
--             a copy, which gets from the primary what is pruned there.
-- Errors:     none.
-- Tables:     log, staging, staging_rest, turns, idempotency_keys, revocations, typing_counts (delete), history, prunes
--             (insert, update), settings (read).
-- Takes row locks only, and waits for none. Staged rows are cheap to remove and each event makes one or two: hence ten
-- times as many. The events in ready are never touched: they are not in the log yet.
CREATE OR REPLACE FUNCTION pgevents.prune(max_rows int DEFAULT 5000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  total   bigint;
  removed bigint;
BEGIN
  IF pg_is_in_recovery() OR pgevents.is_fed() OR NOT pg_try_advisory_xact_lock(1885824374, 2) THEN  -- lock "prune"
    RETURN 0;
  END IF;
  total := pgevents.prune_log(max_rows);

  -- Expired events leave no gap. The newest event stays, so that the head never goes back.
  DELETE FROM pgevents.log WHERE id IN (
    SELECT l.id FROM pgevents.log l
     WHERE l.expires_at <= now() AND l.id < pgevents.head()
     ORDER BY l.expires_at LIMIT max_rows);
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;

  -- A staged row that this transaction can see has been committed, so its event is in the log or in ready.
  DELETE FROM pgevents.staging WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM pgevents.staging s LIMIT max_rows * 10));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  DELETE FROM pgevents.staging_rest WHERE ctid = ANY (ARRAY(
    SELECT s.ctid FROM pgevents.staging_rest s LIMIT max_rows * 10));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;
  DELETE FROM pgevents.turns WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM pgevents.turns t LIMIT max_rows * 10));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;

  DELETE FROM pgevents.idempotency_keys WHERE scope IN (
    SELECT k.scope FROM pgevents.idempotency_keys k
     WHERE k.created_at < now() - interval '24 hours' ORDER BY k.created_at LIMIT max_rows FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed;

  DELETE FROM pgevents.typing_counts WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM pgevents.typing_counts c WHERE c.since < now() - interval '1 minute'
     LIMIT max_rows FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS removed = ROW_COUNT;
  total := total + removed + pgevents.prune_revocations(max_rows);

  -- Not each time: an idle database stays idle.
  IF total > 0 OR NOT EXISTS (SELECT FROM pgevents.prunes p WHERE p.pruned_at > now() - interval '1 hour') THEN
    INSERT INTO pgevents.prunes AS p (pruned_at, removed, removed_total) VALUES (now(), total, total)
      ON CONFLICT (only_row) DO UPDATE
        SET pruned_at = excluded.pruned_at, removed = excluded.removed,
            removed_total = p.removed_total + excluded.removed;
  END IF;
  RETURN total;
END
$$;
