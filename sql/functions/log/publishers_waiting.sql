-- pgevents.publishers_waiting(): how many transactions wait for their ids, for a front-end that considers becoming the
-- sequencer.
-- Parameters: none.
-- Returns:    the number of sessions that wait for the lock "append".
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.publishers_waiting() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN (SELECT count(*) FROM pg_locks l
           WHERE l.locktype = 'advisory' AND l.classid = 1885824374 AND l.objid = 1 AND l.objsubid = 2 AND NOT l.granted
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
END
$$;
