-- pgevents.presence_write(reports, holder, until): writes what reports change, and has it published.
-- Parameters: as presence_changes(); the users' rows are locked.
-- Returns:    how many rows have been written.
-- Errors:     none of its own.
-- Tables:     presence (update), users, connections (read), presence_realms (update), staging (insert).
-- Takes the time under the users' locks, so that it is later than everything written by transactions that held them
-- before.
CREATE OR REPLACE FUNCTION pgevents.presence_write(reports jsonb, holder bigint, until timestamptz) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
  at     timestamptz := clock_timestamp();
  realms text[] := ARRAY(SELECT DISTINCT r.value ->> 'realm' FROM jsonb_array_elements(reports) r
                          WHERE r.value -> 'left' = 'false');
  told   text[];
  total  int;
BEGIN
  IF realms = '{}' THEN
    RETURN 0;
  END IF;
  PERFORM pgevents.presence_lock_realms(realms);
  WITH changed AS (
    SELECT c.*, nextval('pgevents.presence_update_seq') AS update_id
      FROM pgevents.presence_changes(reports, holder, until, at) c WHERE c.row_due
  ), updated AS (
    UPDATE pgevents.presence p
       SET active_at = c.active_at, idle_at = c.idle_at, is_connected = c.is_connected, update_id = c.update_id,
           times_id = CASE WHEN c.times_told THEN c.update_id ELSE p.times_id END,
           active_told_at = CASE WHEN c.times_told THEN c.active_at ELSE p.active_told_at END,
           connected_id = CASE WHEN c.connected_told THEN c.update_id ELSE p.connected_id END
      FROM changed c WHERE p.realm = c.realm AND p.user_id = c.user_id
    RETURNING p.realm, c.times_told OR c.connected_told AS is_told
  )
  SELECT count(*), array_agg(DISTINCT u.realm) FILTER (WHERE u.is_told) INTO total, told FROM updated u;
  PERFORM pgevents.presence_tell(told);
  RETURN total;
END
$$;
