-- pgevents.sequencer_begin(): makes this session the sequencer: publishers that would have to wait for their ids leave
-- their events to it from now on, until sequencer_end() or the end of the session.
-- Parameters: none.
-- Returns:    whether it is the sequencer now; false if the setting group_commit is off, another session is the
--             sequencer, or this is a standby or a copy.
-- Errors:     none.
-- Tables:     settings (read).
-- The session calls sequence() every few milliseconds. Publishers see the lock, and so need not read the setting.
CREATE OR REPLACE FUNCTION pgevents.sequencer_begin() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF pg_is_in_recovery() OR pgevents.is_fed()
     OR (SELECT s.value FROM pgevents.settings s WHERE s.name = 'group_commit') IS DISTINCT FROM 'on' THEN
    RETURN false;
  END IF;
  -- The lock counts how often it was taken: it is taken once. The setting saves sequence() a look at all locks.
  PERFORM set_config('pgevents.is_sequencer', 'yes', false);
  RETURN pgevents.lock_holder(6) = pg_backend_pid() OR pg_try_advisory_lock(1885824374, 6);  -- lock "sequencer"
END
$$;
