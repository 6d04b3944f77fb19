-- pgevents.is_watched(): whether a sequencer works, so that events without ids get theirs within milliseconds.
-- Parameters: none.
-- Returns:    boolean.
-- Errors:     none.
-- Tables:     none.
-- Asks whether another session has the lock "sequencer". Lock and unlock stand in one expression: no interrupt comes
-- between them.
CREATE OR REPLACE FUNCTION pgevents.is_watched() RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN NOT (pg_try_advisory_lock_shared(1885824374, 6)       -- lock "sequencer"
              AND pg_advisory_unlock_shared(1885824374, 6));  -- lock "sequencer"
END
$$;
