-- pgevents.publication(identity, channel, body, idempotency_key): takes apart and checks a publication over HTTP.
-- Parameters: as http_publish().
-- Returns:    type, inner_data, expires_at: of the event, as split_body(); scope: identifies the key, NULL without one;
--             digest: of the body.
-- Errors:     PT400; PT403 (http_publish_check()).
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.publication(identity jsonb, channel text, body text, idempotency_key text,
  OUT type text, OUT inner_data json, OUT expires_at timestamptz, OUT scope bytea, OUT digest bytea)
LANGUAGE plpgsql AS $$
DECLARE
  fault text;
BEGIN
  SELECT b.type, b.inner_data, b.expires_at INTO type, inner_data, expires_at FROM pgevents.split_body(body) b;
  PERFORM pgevents.http_publish_check(identity, channel, type);
  fault := pgevents.event_fault(channel, type, expires_at);
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', fault);
  END IF;
  digest := sha256(convert_to(body, 'UTF8'));
  IF idempotency_key <> '' THEN
    scope := sha256(convert_to(
      jsonb_build_array(identity -> 'realm', identity -> 'user', channel, idempotency_key)::text, 'UTF8'));
  END IF;
END
$$;
