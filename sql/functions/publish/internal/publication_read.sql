-- pgevents.publication_read(identity, channel, body, idempotency_key): reads and checks a publication over HTTP without
-- changing anything.
-- Parameters: as http_publish().
-- Returns:    type, inner_data, expires_at of the event; key_scope: what the key is unique for, as a digest, NULL
--             without a key; body_digest: of the body.
-- Errors:     PT400; PT403 (http_publish_check()).
-- Tables:     those of channel_kind().
CREATE OR REPLACE FUNCTION pgevents.publication_read(identity jsonb, channel text, body text, idempotency_key text,
  OUT type text, OUT inner_data json, OUT expires_at timestamptz, OUT key_scope bytea, OUT body_digest bytea)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  split record := pgevents.split_body(body);
  key   text := nullif(idempotency_key, '');
  fault text;
BEGIN
  PERFORM pgevents.http_publish_check(identity, channel, split.type);
  fault := pgevents.event_fault(channel, split.type, split.expires_at);
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', fault);
  END IF;
  type := split.type;
  inner_data := split.inner_data;
  expires_at := split.expires_at;
  IF key IS NOT NULL THEN
    key_scope := sha256(convert_to(
      jsonb_build_array(identity -> 'realm', identity -> 'user', channel, key)::text, 'UTF8'));
    body_digest := sha256(convert_to(body, 'UTF8'));
  END IF;
END
$$;
