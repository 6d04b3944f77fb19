-- pgevents.publish(channel, type, data, ttl): publishes an event when the transaction commits; for applications.
-- Parameters: channel, type: 1 to 255 bytes without control characters; data: any JSON, as json, jsonb or text (NULL or
--             left out: null); ttl: how long from now on the event is worth delivering (NULL: until it is pruned).
-- Returns:    nothing: the event gets its id at COMMIT.
-- Errors:     PT400; 22P02 for text that is not JSON.
-- Tables:     staging, staging_rest (insert), settings (read).
-- With json and jsonb alone, PostgreSQL could not decide about a literal. It prefers text, so literals, parameters
-- without a type and NULL go to that form, which also has the default. The other two forms are in SQL, without SET and
-- SECURITY DEFINER, so that the planner inlines them: they cost nothing.
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
CREATE OR REPLACE FUNCTION pgevents.publish(channel text, type text, data jsonb, ttl interval DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$
  SELECT pgevents.publish(channel, type, data::pg_catalog.json, ttl)
$$;
CREATE OR REPLACE FUNCTION pgevents.publish(channel text, type text, data text DEFAULT NULL, ttl interval DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
  SELECT pgevents.publish(channel, type, data::pg_catalog.json, ttl)
$$;
