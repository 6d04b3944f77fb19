-- pgevents.revoke(user_id, before): from COMMIT on, this user's tokens that were issued before a time are refused by all
-- servers, and the streams that they opened end.
-- Parameters: user_id: as in the tokens (`sub`); before: 'infinity': all tokens, until it is lifted; '-infinity' lifts.
-- Returns:    nothing. The last call for a user counts.
-- Errors:     PT400.
-- Tables:     revocations (insert, update, delete), staging (insert).
-- The row is locked until the transaction is visible, and the event gets its id before that: the order of the events is
-- the order in which the row changed. Hence lifting writes the row, too, before it deletes it: where there was none, it
-- would otherwise lock nothing, and the last event might not be what the table says. No advisory locks: one call may revoke
-- more users than the lock table has room for.
CREATE OR REPLACE FUNCTION pgevents.revoke(user_id text, before timestamptz DEFAULT now()) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  before_us bigint := pgevents.revocation_us(before);
BEGIN
  PERFORM pgevents.check_user(user_id);
  IF before IS NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid time: before must not be NULL');
  END IF;
  INSERT INTO pgevents.revocations (user_id, before) VALUES (revoke.user_id, revoke.before)
    ON CONFLICT ON CONSTRAINT revocations_pkey
    DO UPDATE SET before = excluded.before, revoked_at = excluded.revoked_at;
  IF before_us = 0 THEN
    DELETE FROM pgevents.revocations r WHERE r.user_id = revoke.user_id;
  END IF;
  PERFORM pgevents.publish_control('pgevents.revoked',
    format('{"user":%s,"before_us":%s}', to_json(user_id), before_us)::json);
END
$$;
