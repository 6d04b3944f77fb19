-- pgevents.presence_tick(): does what no request triggers: publishes changes that were held back to share an event, and
-- ends connections that are over. Every server calls it again and again; one at a time is enough.
-- Parameters: none.
-- Returns:    milliseconds until it should be called again, at most 500. On a standby or a copy it does nothing.
-- Errors:     none of its own.
-- Tables:     as presence_sweep(); presence_realms (read).
-- Only tries the locks "realm" and never waits for them, because the sweep may hold others already. A transaction that
-- holds one publishes its changes itself.
CREATE OR REPLACE FUNCTION pgevents.presence_tick() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  window_us bigint := date_part('epoch', pgevents.timing('presence_flush_window')) * 1000000;
  name      text;
  next_us   bigint;
BEGIN
  IF pg_is_in_recovery() OR pgevents.is_fed() OR NOT pg_try_advisory_xact_lock(1885824374, 4) THEN  -- lock "presence tick"
    RETURN 500;
  END IF;
  PERFORM pgevents.presence_sweep(1000);
  FOR name IN
    SELECT r.realm FROM pgevents.presence_realms r
     WHERE r.is_dirty AND r.flushed_at <= clock_timestamp() - window_us * interval '1 microsecond'
  LOOP
    IF pg_try_advisory_xact_lock(1885824376, pgevents.presence_realm_key(name))  -- lock "realm"
       AND EXISTS (SELECT FROM pgevents.presence_realms r WHERE r.realm = name AND r.is_dirty) THEN
      PERFORM pgevents.presence_flush(name);
    END IF;
  END LOOP;
  SELECT min(pgevents.us(r.flushed_at)) + window_us - pgevents.us(clock_timestamp()) INTO next_us
    FROM pgevents.presence_realms r WHERE r.is_dirty;
  RETURN greatest(10, least(500, coalesce(next_us, 500000) / 1000 + 1));
END
$$;
