-- pgevents.stage(channel, type, data, ttl): publishes an event of pgevents' own when the transaction commits.
-- Parameters: as publish(); reserved types are allowed. Without a channel, or with a name that is not sane, nothing is
--             published.
-- Returns:    nothing: the event gets its id at COMMIT.
-- Errors:     none.
-- Tables:     staging, staging_rest (insert).
CREATE OR REPLACE FUNCTION pgevents.stage(channel text, type text, data json, ttl interval DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  turn bigint;
BEGIN
  IF NOT pgevents.name_is_sane(channel) THEN
    RETURN;
  END IF;
  IF coalesce(current_setting('pgevents.turn', true), '') = '' THEN  -- the transaction's first event
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
      VALUES (stage.channel, stage.type, stage.data, clock_timestamp() + ttl);
    RETURN;
  END IF;
  turn := pgevents.turn_number();
  IF turn > 0 THEN
    INSERT INTO pgevents.staging_rest (turn, channel_id, type, data, expires_at)
      VALUES (turn, stage.channel, stage.type, stage.data, clock_timestamp() + ttl);
  ELSE
    INSERT INTO pgevents.staging (turn, channel_id, type, data, expires_at)
      VALUES (-turn, stage.channel, stage.type, stage.data, clock_timestamp() + ttl);
  END IF;
END
$$;
