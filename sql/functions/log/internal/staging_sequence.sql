-- pgevents.staging_sequence(): deferred constraint trigger of pgevents.staging; moves events into the log at COMMIT.
-- Parameters: NEW: the staged event.
-- Returns:    NULL (ignored).
-- Errors:     none of its own.
-- Tables:     staging (insert), log (insert, through append()), revocations (update, through revocation_settle()).
-- Each event passes twice. PostgreSQL runs deferred triggers in the order in which they were queued; triggers that they
-- queue themselves run after all others. In the first round the event only queues again. In the second round all
-- deferred foreign keys and triggers of the application have been checked, so that no transaction waits for a row's
-- lock while it holds the lock "append".
CREATE OR REPLACE FUNCTION pgevents.staging_sequence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_id bigint;
BEGIN
  IF NEW.staged_at IS DISTINCT FROM now() THEN
    RETURN NULL;  -- the row comes from a restored dump: the event was published before
  ELSIF NOT NEW.last_turn THEN
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at, last_turn, staged_at)
      VALUES (NEW.channel_id, NEW.type, NEW.data, NEW.expires_at, true, now());
    RETURN NULL;
  END IF;
  IF NEW.type = 'pgevents.revoked' THEN
    NEW.data := pgevents.revocation_settle(NEW.data);
  END IF;
  new_id := pgevents.append(NEW.channel_id, NEW.type, NEW.data, NEW.expires_at);
  RETURN NULL;
END
$$;
