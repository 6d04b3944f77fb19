-- pgevents.append_lock(): takes the lock "append" and gives ids to everything that was left before, for a publication
-- that needs its id at once.
-- Parameters: none.
-- Returns:    nothing.
-- Errors:     none of its own. The session's lock_timeout applies.
-- Tables:     ready (delete, through drain()), generations (see check_generation()).
-- The lock is held until the transaction is visible to all others (PostgreSQL releases locks after that), so a
-- transaction that takes the next id commits later: ids are in commit order.
CREATE OR REPLACE FUNCTION pgevents.append_lock() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  nothing text := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
BEGIN
  PERFORM pgevents.check_generation();
  IF NOT pgevents.is_settled() THEN
    PERFORM pgevents.turn_follows(true);
  END IF;
END
$$;
