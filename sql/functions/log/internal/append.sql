-- pgevents.append(channel, type, data, expires_at): writes one event to the end of the log. The only function that
-- assigns ids to events.
-- Parameters: as in pgevents.log, already checked.
-- Returns:    the event's id.
-- Errors:     none of its own. At COMMIT the session's lock_timeout applies; statement_timeout does not.
-- Tables:     log (insert); generations (see check_generation()).
-- The lock "append" is held until the transaction is visible to all others (PostgreSQL releases locks after that), so a
-- transaction that takes the next id commits later: ids are in commit order. Two statements, because the id must be
-- drawn under the lock. Calls stand in assignments, which plpgsql evaluates by itself: PERFORM would start the executor
-- for each. Reads no table (except once in a session): under SERIALIZABLE, reading the end of the log would make all
-- publishers conflict.
CREATE OR REPLACE FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  nothing text := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  new_id  bigint;
BEGIN
  IF current_setting('pgevents.generation_checked', true) IS DISTINCT FROM 'yes' THEN
    PERFORM pgevents.check_generation();
  END IF;
  new_id := nextval('pgevents.log_id_seq');
  INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
    VALUES (new_id, append.channel, clock_timestamp(), append.type, append.data, append.expires_at);
  RETURN new_id;
END
$$;
