-- Migration 3: the users whose tokens are rejected, by the last call of revoke().

CREATE TABLE pgevents.revocations (
  user_id    text COLLATE "C" PRIMARY KEY,
  before     timestamptz NOT NULL,
  revoked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pgevents.revocations IS 'Users whose tokens issued before a time are refused; infinity: until it is lifted';
-- For prune(), which keeps revocations whose time is still to come and those that last until they are lifted.
CREATE INDEX revocations_settled_idx ON pgevents.revocations (greatest(before, revoked_at));

ALTER TABLE pgevents.settings ADD CONSTRAINT settings_revocation_retention_valid
  CHECK (name <> 'revocation_retention' OR value::interval > interval '0');
COMMENT ON TABLE pgevents.settings IS
  'Settings; retention: how long events are kept; revocation_retention: how long a token may be valid (intervals)';
