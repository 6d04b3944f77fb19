-- pgevents.publish(channel, type, data, ttl): publishes an event when the transaction commits; for applications.
-- Parameters: channel, type: 1 to 255 bytes without control characters; data: any JSON (NULL: null); ttl: how long from
--             now on the event is worth delivering (NULL: until it is pruned).
-- Returns:    nothing: the event gets its id at COMMIT.
-- Errors:     PT400.
-- Tables:     staging, staging_rest (insert), settings (read).
CREATE OR REPLACE FUNCTION pgevents.publish(channel text, type text, data json, ttl interval DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  expiry timestamptz;
  turn   bigint;
BEGIN
  IF ttl IS NOT NULL THEN
    expiry := clock_timestamp() + ttl;
    IF ttl <= interval '0' THEN
      PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid ttl: must be greater than 0');
    END IF;
  END IF;
  IF pgevents.is_plain(channel, type, expiry) IS NOT TRUE THEN
    PERFORM pgevents.remark(channel, type, expiry);
  END IF;
  IF coalesce(current_setting('pgevents.turn', true), '') = '' THEN  -- the transaction's first event
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at)
      VALUES (publish.channel, publish.type, coalesce(publish.data, 'null'), expiry);
    RETURN;
  END IF;
  turn := pgevents.turn_number();
  IF turn > 0 THEN
    INSERT INTO pgevents.staging_rest (turn, channel_id, type, data, expires_at)
      VALUES (turn, publish.channel, publish.type, coalesce(publish.data, 'null'), expiry);
  ELSE
    INSERT INTO pgevents.staging (turn, channel_id, type, data, expires_at)
      VALUES (-turn, publish.channel, publish.type, coalesce(publish.data, 'null'), expiry);
  END IF;
END
$$;
