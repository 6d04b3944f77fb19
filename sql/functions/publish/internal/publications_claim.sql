-- pgevents.publications_claim(outcomes): takes the idempotency keys of several publications, without waiting.
-- Parameters: outcomes: of publications_read().
-- Returns:    the same; but {"id":N} where the key has published this event already, and {} where http_publish() must
--             look at it: another transaction, or an earlier one of these publications, is using the key, or it was
--             used with another body.
-- Errors:     none.
-- Tables:     idempotency_keys (read).
CREATE OR REPLACE FUNCTION pgevents.publications_claim(outcomes jsonb[]) RETURNS jsonb[]
LANGUAGE plpgsql AS $$
DECLARE
  scope   bytea;
  scopes  bytea[] := '{}';
  earlier record;
BEGIN
  FOR i IN 1..cardinality(outcomes) LOOP
    scope := outcomes[i] ->> 'key_scope';
    CONTINUE WHEN scope IS NULL;
    -- A statement of its own: the next one must see what the lock's last holder has committed.
    IF scope = ANY (scopes)
       OR NOT pg_try_advisory_xact_lock(1885824375, hashtext(encode(scope, 'hex'))) THEN  -- lock "idempotency key"
      outcomes[i] := '{}';
      CONTINUE;
    END IF;
    scopes := scopes || scope;
    earlier := pgevents.publication_earlier(scope, (outcomes[i] ->> 'body_digest')::bytea);
    IF earlier.is_same THEN
      outcomes[i] := jsonb_build_object('id', earlier.event_id);
    ELSIF earlier.event_id IS NOT NULL THEN
      outcomes[i] := '{}';
    END IF;
  END LOOP;
  RETURN outcomes;
END
$$;
