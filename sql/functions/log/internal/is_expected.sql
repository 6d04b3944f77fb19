-- pgevents.is_expected(): whether a front-end expects that publishers leave events and notify it, so that it becomes
-- the sequencer then.
-- Parameters: none.
-- Returns:    boolean; false also if the setting group_commit is off.
-- Errors:     none.
-- Tables:     settings (read): not for serializable transactions, which would conflict.
-- Looks at all locks, because a transaction that tried to take this one would look like such a front-end to others.
CREATE OR REPLACE FUNCTION pgevents.is_expected() RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT FROM pgevents.settings s WHERE s.name = 'group_commit' AND s.value = 'on')
    AND EXISTS (SELECT FROM pg_locks l
                 WHERE l.locktype = 'advisory' AND l.classid = 1885824374 AND l.objid = 7 AND l.objsubid = 2 AND l.granted
                   AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
END
$$;
