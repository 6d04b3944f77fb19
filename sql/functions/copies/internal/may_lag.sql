-- pgevents.may_lag(after, head): whether a cursor behind the head of this log may be one of events that have not
-- arrived here yet.
-- Parameters: after: the cursor; head: the newest id here, which is less.
-- Returns:    boolean; false on a primary, which has every event that was ever delivered.
-- Errors:     none.
-- Tables:     log (read), copy_mark (read, through is_fed()).
-- On a copy and on a standby a client may know more than the server, because another server was faster. Its cursor is
-- kept then, and it gets nothing until the server has come further. A cursor that no lag explains comes from another
-- log: more than a million ids for each second since the newest event here was committed, which is more than any
-- primary gives. Generations explain it (least_step()) if the primary can have begun one behind that event: the process
-- that feeds this log has not been running since before it, or has brought nothing for so long that another server may
-- have taken over. So a cursor of another log is found when events arrive. Ten trillion ids are more generations than
-- are begun meanwhile.
CREATE OR REPLACE FUNCTION pgevents.may_lag(after bigint, head bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  further CONSTANT bigint := after - head;
  newest  timestamptz;
  seconds double precision;
BEGIN
  IF NOT (pg_is_in_recovery() OR pgevents.is_fed()) OR further >= 10000000000000 THEN
    RETURN false;
  END IF;
  newest := coalesce((SELECT l.ts FROM pgevents.log l ORDER BY l.id DESC LIMIT 1), '-infinity');
  seconds := greatest(0, date_part('epoch', clock_timestamp() - newest));
  RETURN further <= 1000000 * (1 + seconds)
    OR (further >= pgevents.least_step() AND (seconds >= 5 OR coalesce(pgevents.fed_since() >= newest, true)));
END
$$;
