-- pgevents.prune_revocations(max_rows): removes revocations that no longer concern any token.
-- Parameters: max_rows: at most this many.
-- Returns:    number of rows removed.
-- Errors:     none.
-- Tables:     revocations (delete), settings (read).
-- A revocation that lasts until it is lifted stays, whatever its age. Pruning publishes no event: servers may go on
-- rejecting tokens that have expired. Rows that an open transaction has changed are skipped, so that pruning never
-- waits.
CREATE OR REPLACE FUNCTION pgevents.prune_revocations(max_rows int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  cutoff  timestamptz := now() - (SELECT value::interval FROM pgevents.settings WHERE name = 'revocation_retention');
  removed bigint;
BEGIN
  DELETE FROM pgevents.revocations WHERE user_id IN (
    SELECT r.user_id FROM pgevents.revocations r
     WHERE greatest(r.before, r.revoked_at) < cutoff
     ORDER BY greatest(r.before, r.revoked_at) LIMIT max_rows FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END
$$;
