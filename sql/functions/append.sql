-- pgevents.append(channel, type, data, expires_at): puts one event at the end of the log. The only place that gives ids.
-- Parameters: as in pgevents.log, already checked.
-- Returns:    the event's id.
-- Errors:     none of its own. At COMMIT, the session's lock_timeout holds; statement_timeout does not.
-- Tables:     log (insert); generations (see check_generation()).
-- The lock is kept until the transaction is visible to everybody (PostgreSQL releases locks after that), so whoever
-- takes the next id commits later: ids are in commit order. Two statements, because the id must be drawn under the lock.
-- It reads no table (but once in a session): under SERIALIZABLE, reads of the log's end would make all publishers conflict.
CREATE OR REPLACE FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  new_id bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(1885824374, 1);
  IF current_setting('pgevents.generation_checked', true) IS DISTINCT FROM 'yes' THEN
    PERFORM pgevents.check_generation();
  END IF;
  INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
    VALUES (nextval('pgevents.log_id_seq'), append.channel, clock_timestamp(), append.type, append.data,
            append.expires_at)
    RETURNING id INTO new_id;
  RETURN new_id;
END
$$;
