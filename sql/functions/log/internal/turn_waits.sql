-- pgevents.turn_waits(is_control, turn): waits for the lock "append".
-- Parameters: is_control: the turn needs its ids at once; turn: its number.
-- Returns:    whether the transaction has the lock; false: the turn may leave its events now.
-- Errors:     none of its own. The session's lock_timeout applies.
-- Tables:     none (see turn_may_leave()).
-- Many may have begun to wait while no turn could leave: no sequencer worked, or 5,000 turns waited. One after the
-- other they would take the time of a flush each, and no sequencer could come between. So a turn that need not have the
-- lock any more gives it back, which takes a subtransaction: no lock of the session outlives an interrupt.
CREATE OR REPLACE FUNCTION pgevents.turn_waits(is_control boolean, turn bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  nothing text;
BEGIN
  nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  IF NOT is_control AND pgevents.turn_may_leave(turn) THEN
    RAISE EXCEPTION 'it may leave';
  END IF;
  RETURN true;
EXCEPTION WHEN raise_exception THEN
  RETURN false;
END
$$;
