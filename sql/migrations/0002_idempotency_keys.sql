-- Migration 2: what http_publish() keeps, so that a client may repeat a request whose answer it did not get.

CREATE TABLE pgevents.idempotency_keys (
  -- Digest of (realm, user, channel, key), so that any length of these fits the index.
  scope       bytea PRIMARY KEY,
  body_digest bytea NOT NULL,
  event_id    bigint NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pgevents.idempotency_keys IS 'Publications by idempotency key, kept for 24 hours';
CREATE INDEX idempotency_keys_created_at_idx ON pgevents.idempotency_keys (created_at);
