-- pgevents.revocation_settle(data): gives a revocation without a time the time of its commit; called in the event's
-- second round.
-- Parameters: data: of an event pgevents.revoked: {"user":…}, or with before_us where revoke() was given a time.
-- Returns:    the data with before_us.
-- Errors:     none.
-- Tables:     revocations (read, update).
-- Takes the lock "append" before the time, so that the time is later than everything that the transaction waited for.
-- If a later call in the same transaction replaced this revocation, or an earlier event of the transaction has settled
-- it, the event reports what the table holds.
CREATE OR REPLACE FUNCTION pgevents.revocation_settle(data json) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
  nothing text := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  at      timestamptz := clock_timestamp();
  revoked text := data ->> 'user';
  settled timestamptz;
BEGIN
  IF data -> 'before_us' IS NOT NULL THEN
    RETURN data;
  END IF;
  UPDATE pgevents.revocations r SET before = at, revoked_at = at
   WHERE r.user_id = revoked AND r.revoked_at = '-infinity';
  settled := (SELECT r.before FROM pgevents.revocations r WHERE r.user_id = revoked);
  RETURN format('{"user":%s,"before_us":%s}', to_json(revoked), coalesce(pgevents.revocation_us(settled), 0));
END
$$;
