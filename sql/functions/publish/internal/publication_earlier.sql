-- pgevents.publication_earlier(scope, digest, digest_before): the event that was published under an idempotency key
-- before.
-- Parameters: as publication() returns them; digest_before: of a request that is about to publish under the same key,
--             NULL: none is. The caller holds the lock "idempotency key".
-- Returns:    its id; NULL: the key was not used within 24 hours.
-- Errors:     PT422 if it was used with another body.
-- Tables:     idempotency_keys (read).
CREATE OR REPLACE FUNCTION pgevents.publication_earlier(scope bytea, digest bytea, digest_before bytea DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  earlier record;
BEGIN
  SELECT k.body_digest, k.event_id INTO earlier FROM pgevents.idempotency_keys k
   WHERE k.scope = publication_earlier.scope AND k.created_at > now() - interval '24 hours';
  IF coalesce(earlier.body_digest, digest_before) <> digest THEN
    PERFORM pgevents.raise_error(422, 'UNPROCESSABLE', 'Idempotency-Key was already used with another body');
  END IF;
  RETURN earlier.event_id;
END
$$;
