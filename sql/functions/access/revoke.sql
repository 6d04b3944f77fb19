-- pgevents.revoke(user_id, before): from COMMIT on, this user's tokens that were issued before a time are refused by all
-- servers, and the streams that they opened end.
-- Parameters: user_id: as in the tokens (`sub`); before: NULL or absent: the time of the COMMIT; 'infinity': all tokens, until it
--             is lifted; '-infinity' lifts.
-- Returns:    nothing. The last call for a user counts.
-- Errors:     PT400.
-- Tables:     revocations (insert, update, delete), staging (insert).
-- Without a time the row gets it in the last turn of the commit (revocation_settle()): tokens that others issue while the
-- transaction is open are refused too. Until then its revoked_at is -infinity, which no other transaction sees.
-- The row is locked until the transaction is visible, and the event gets its id before that: the order of the events is
-- the order in which the row changed. Hence lifting writes the row, too, before it deletes it: where there was none, it
-- would otherwise lock nothing, and the last event might not be what the table says. No advisory locks: one call may revoke
-- more users than the lock table has room for.
CREATE OR REPLACE FUNCTION pgevents.revoke(user_id text, before timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  before_us bigint := pgevents.revocation_us(before);
BEGIN
  PERFORM pgevents.check_user(user_id);
  INSERT INTO pgevents.revocations (user_id, before, revoked_at)
    VALUES (revoke.user_id, coalesce(revoke.before, clock_timestamp()), CASE WHEN revoke.before IS NULL THEN '-infinity' ELSE now() END)
    ON CONFLICT ON CONSTRAINT revocations_pkey
    DO UPDATE SET before = excluded.before, revoked_at = excluded.revoked_at;
  IF before_us = 0 THEN
    DELETE FROM pgevents.revocations r WHERE r.user_id = revoke.user_id;
  END IF;
  PERFORM pgevents.publish_control('pgevents.revoked', CASE WHEN before_us IS NULL THEN format('{"user":%s}', to_json(user_id))
    ELSE format('{"user":%s,"before_us":%s}', to_json(user_id), before_us) END::json);
END
$$;
