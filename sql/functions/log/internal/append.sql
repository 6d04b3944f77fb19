-- pgevents.append(channel, type, data, expires_at): writes one event to the end of the log at once, for http_publish().
-- Parameters: as in pgevents.log, already checked.
-- Returns:    the event's id.
-- Errors:     none of its own. The session's lock_timeout applies.
-- Tables:     log (insert); ready (delete, through drain()); generations (see check_generation()).
-- Waits for the lock "append", because the caller needs the id. Events that were left before it get theirs first; only
-- a READ COMMITTED transaction can see them, which that of a front-end is.
CREATE OR REPLACE FUNCTION pgevents.append(channel text, type text, data json, expires_at timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  new_id bigint;
BEGIN
  PERFORM pgevents.append_lock();
  new_id := nextval('pgevents.log_id_seq');
  INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
    VALUES (new_id, append.channel, clock_timestamp(), append.type, append.data, append.expires_at);
  PERFORM pg_notify('pgevents', '');
  RETURN new_id;
END
$$;
