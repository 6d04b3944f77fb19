-- pgevents.turns_sequence(): deferred constraint trigger of pgevents.turns, the second round at COMMIT: a turn's events
-- get their ids and go into the log, or are left in ready.
-- Parameters: NEW: the turn, with its first event.
-- Returns:    NULL (ignored).
-- Errors:     none of its own. At COMMIT the session's lock_timeout applies; statement_timeout does not.
-- Tables:     staging (read), log or ready (insert), revocations (update, through revocation_settle()); what turn_way()
--             names.
-- The transaction takes the lock "append" if it is free and all events before have their ids; otherwise turn_way()
-- decides. The lock is held until the transaction is visible to all others (PostgreSQL releases locks after that), so a
-- transaction that takes the next id commits later: ids are in commit order. Calls stand in assignments, which plpgsql
-- evaluates by itself: PERFORM would start the executor for each. IF by IF, because AND may evaluate both sides. Reads
-- no table unless the turn has several events: under SERIALIZABLE publishers would conflict.
CREATE OR REPLACE FUNCTION pgevents.turns_sequence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  me         text := pg_current_xact_id();
  is_single  boolean := NEW.turn IS NULL OR current_setting('pgevents.turn', true) = me || ':' || NEW.turn;
  is_control boolean := NEW.channel_id = 'pgevents.control';
  settled    boolean := pgevents.is_settled();
  has_lock   boolean := false;
  way        text := 'direct';
  n          bigint;
  events     bigint := 1;
  nothing    text;
BEGIN
  IF settled THEN
    has_lock := pg_try_advisory_xact_lock(1885824374, 1);  -- lock "append"
  END IF;
  IF NOT has_lock OR current_setting('pgevents.generation_checked', true) IS DISTINCT FROM 'yes' THEN
    way := pgevents.turn_way(is_control, settled, has_lock);
  END IF;
  IF NEW.turn IS NOT NULL THEN  -- what is published from now on needs another turn
    nothing := set_config('pgevents.turn', CASE way WHEN 'leave' THEN '' ELSE me || '=' END, true);
  END IF;
  IF way = 'leave' THEN
    n := pgevents.ready_number();
    INSERT INTO pgevents.ready (n, ord, channel_id, type, data, expires_at)
      VALUES (n, NEW.ord, NEW.channel_id, NEW.type, NEW.data, NEW.expires_at);
  ELSE
    IF NEW.type = 'pgevents.revoked' THEN
      NEW.data := pgevents.revocation_settle(NEW.data);
    END IF;
    INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      VALUES (nextval('pgevents.log_id_seq'), NEW.channel_id, clock_timestamp(), NEW.type, NEW.data, NEW.expires_at);
  END IF;
  IF NOT is_single THEN
    events := events + pgevents.turn_rest(NEW.turn, n);
  END IF;
  IF way = 'leave' THEN
    PERFORM pgevents.turn_left(n, events);
  ELSE
    nothing := pg_notify('pgevents', CASE way WHEN 'waited' THEN 'w' ELSE '' END);
  END IF;
  RETURN NULL;
END
$$;
