-- pgevents.revoke(user_id, before): revokes a user's tokens that were issued before a time: from COMMIT on all servers
-- reject them, and the streams that they opened end.
-- Parameters: user_id: as in the tokens (`sub`); before: NULL or absent: the time of the COMMIT; 'infinity': all
--             tokens, until it is lifted; '-infinity' lifts the revocation.
-- Returns:    nothing. The last call for a user counts.
-- Errors:     PT400.
-- Tables:     revocations (insert, update, delete), staging (insert).
-- Without a time the row gets it in the second round at COMMIT (revocation_settle()), so that tokens issued while the
-- transaction is open are rejected too. Until then its revoked_at is -infinity, which no other transaction sees.
-- The row stays locked until the transaction is visible, and the event gets its id before that: the events are in the
-- order in which the row changed. For the same reason lifting writes the row before it deletes it: without a row there
-- would be nothing to lock, and the last event might contradict the table. No advisory locks here: one call may revoke
-- more users than the lock table has room for.
CREATE OR REPLACE FUNCTION pgevents.revoke(user_id text, before timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  before_us bigint := pgevents.revocation_us(before);
BEGIN
  PERFORM pgevents.check_user(user_id);
  INSERT INTO pgevents.revocations (user_id, before, revoked_at)
    VALUES (revoke.user_id, coalesce(revoke.before, clock_timestamp()),
            CASE WHEN revoke.before IS NULL THEN '-infinity' ELSE now() END)
    ON CONFLICT ON CONSTRAINT revocations_pkey
    DO UPDATE SET before = excluded.before, revoked_at = excluded.revoked_at;
  IF before_us = 0 THEN
    DELETE FROM pgevents.revocations r WHERE r.user_id = revoke.user_id;
  END IF;
  PERFORM pgevents.publish_control('pgevents.revoked',
    CASE WHEN before_us IS NULL THEN format('{"user":%s}', to_json(user_id))
         ELSE format('{"user":%s,"before_us":%s}', to_json(user_id), before_us) END::json);
END
$$;
