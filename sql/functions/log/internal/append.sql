-- pgevents.append(channel, type, data, expires_at): puts one event at the end of the log. The only place that gives ids.
-- Parameters: as in pgevents.log, already checked.
-- Returns:    the event's id.
-- Errors:     none of its own. At COMMIT, the session's lock_timeout holds; statement_timeout does not.
-- Tables:     log (insert); generations (see check_generation()).
-- The lock is kept until the transaction is visible to everybody (PostgreSQL releases locks after that), so whoever
-- takes the next id commits later: ids are in commit order. Two statements, because the id must be drawn under the lock.
-- Calls stand in assignments, which plpgsql evaluates by itself: PERFORM would start the executor for each.
-- It reads no table (but once in a session): under SERIALIZABLE, reads of the log's end would make all publishers conflict.
CREATE OR REPLACE FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  nothing text := pg_advisory_xact_lock(1885824374, 1);
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
