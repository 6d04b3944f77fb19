-- pgevents.lock_holder(number): which session has one of pgevents' own locks alone.
-- Parameters: number: the second key of the lock.
-- Returns:    its process id; NULL: no session, or it is held by a prepared transaction.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.lock_holder(number int) RETURNS int
LANGUAGE plpgsql AS $$
BEGIN
  RETURN (SELECT l.pid FROM pg_locks l
           WHERE l.locktype = 'advisory' AND l.classid = 1885824374 AND l.objid = number::oid AND l.objsubid = 2
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
             AND l.granted AND l.mode = 'ExclusiveLock' LIMIT 1);
END
$$;
