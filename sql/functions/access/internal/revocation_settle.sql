-- pgevents.revocation_settle(data): gives a revocation without a time the time of its commit; called in the event's last turn.
-- Parameters: data: of an event pgevents.revoked: {"user":…}, or with before_us where revoke() was given a time.
-- Returns:    the data with before_us.
-- Errors:     none.
-- Tables:     revocations (read, update).
-- It takes the sequencing lock first, so that the time lies behind everything that the transaction has waited for. Where a later
-- call in the same transaction has said otherwise, or the event before this one has settled it, the event says what the table says.
CREATE OR REPLACE FUNCTION pgevents.revocation_settle(data json) RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
  nothing text := pg_advisory_xact_lock(1885824374, 1);
  at      timestamptz := clock_timestamp();
  who     text := data ->> 'user';
  settled timestamptz;
BEGIN
  IF data -> 'before_us' IS NOT NULL THEN
    RETURN data;
  END IF;
  UPDATE pgevents.revocations r SET before = at, revoked_at = at WHERE r.user_id = who AND r.revoked_at = '-infinity';
  settled := (SELECT r.before FROM pgevents.revocations r WHERE r.user_id = who);
  RETURN format('{"user":%s,"before_us":%s}', to_json(who), coalesce(pgevents.revocation_us(settled), 0));
END
$$;
