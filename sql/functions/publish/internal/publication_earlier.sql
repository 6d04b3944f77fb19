-- pgevents.publication_earlier(key_scope, body_digest): the event that an idempotency key has published already.
-- Parameters: as returned by publication_read(); the caller holds the lock "idempotency key".
-- Returns:    event_id, NULL if the key was not used within 24 hours; is_same: whether it was used with the same body.
-- Errors:     none.
-- Tables:     idempotency_keys (read).
CREATE OR REPLACE FUNCTION pgevents.publication_earlier(key_scope bytea, body_digest bytea,
  OUT event_id bigint, OUT is_same boolean)
LANGUAGE plpgsql AS $$
BEGIN
  SELECT k.event_id, k.body_digest = publication_earlier.body_digest
    INTO publication_earlier.event_id, publication_earlier.is_same
    FROM pgevents.idempotency_keys k
   WHERE k.scope = key_scope AND k.created_at > now() - interval '24 hours';
END
$$;
