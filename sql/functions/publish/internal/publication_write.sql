-- pgevents.publication_write(channel, type, data, expires_at, key_scope, body_digest): publishes an event at once and
-- keeps its idempotency key.
-- Parameters: channel, type, data, expires_at: as in pgevents.log, already checked; the others as returned by
--             publication_read().
-- Returns:    the event's id.
-- Errors:     none of its own.
-- Tables:     log (insert, through append()), idempotency_keys (insert, update).
CREATE OR REPLACE FUNCTION pgevents.publication_write(channel text, type text, data json, expires_at timestamptz,
  key_scope bytea, body_digest bytea) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  new_id bigint := pgevents.append(channel, type, data, expires_at);
BEGIN
  IF key_scope IS NOT NULL THEN
    INSERT INTO pgevents.idempotency_keys AS k (scope, body_digest, event_id)
      VALUES (publication_write.key_scope, publication_write.body_digest, new_id)
      ON CONFLICT (scope) DO UPDATE
        SET body_digest = excluded.body_digest, event_id = excluded.event_id, created_at = excluded.created_at;
  END IF;
  RETURN new_id;
END
$$;
