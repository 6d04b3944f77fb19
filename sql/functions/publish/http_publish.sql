-- pgevents.http_publish(identity, channel, body, idempotency_key): publishes an event at once; for the front-ends, one
-- call in each transaction. http_publish_many() does the same for several.
-- Parameters: identity: the publisher (user, realm), NULL if anonymous; body: {"type":…,"data":…,"ttl":…}, ttl in
--             seconds, optional; idempotency_key: NULL or empty, or a name of this publication, so that a repeated
--             request publishes nothing.
-- Returns:    {"result":"success","id":N}; for a repeated key the id of the first event.
-- Errors:     PT400; PT403 (http_publish_check()); PT422 if the key was used with another body within 24 hours.
-- Tables:     log (insert, through append()), idempotency_keys (read, insert, update).
-- Keys of anonymous publishers share one space: such a client must use keys that cannot be guessed. Bypasses staging:
-- this transaction has nothing else that the id would have to wait for.
CREATE OR REPLACE FUNCTION pgevents.http_publish(identity jsonb, channel text, body text, idempotency_key text)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  publication record := pgevents.publication_read(identity, channel, body, idempotency_key);
  earlier     record;
  event_id    bigint;
BEGIN
  IF publication.key_scope IS NOT NULL THEN
    -- A second request with the same key waits here until the first one's result is visible.
    PERFORM pg_advisory_xact_lock(1885824375, hashtext(encode(publication.key_scope, 'hex')));  -- lock "idempotency key"
    earlier := pgevents.publication_earlier(publication.key_scope, publication.body_digest);
    IF NOT earlier.is_same THEN
      PERFORM pgevents.raise_error(422, 'UNPROCESSABLE', 'Idempotency-Key was already used with another body');
    END IF;
    event_id := earlier.event_id;
  END IF;
  IF event_id IS NULL THEN
    event_id := pgevents.publication_write(channel, publication.type, publication.inner_data, publication.expires_at,
      publication.key_scope, publication.body_digest);
  END IF;
  RETURN jsonb_build_object('result', 'success', 'id', event_id);
END
$$;
