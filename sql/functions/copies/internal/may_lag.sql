-- pgevents.may_lag(after, head): whether a cursor behind the head of this log may be one of events that have not
-- arrived here yet.
-- Parameters: after: the cursor; head: the newest id here, which is less.
-- Returns:    boolean; false on a primary, which has every event that was ever delivered.
-- Errors:     none.
-- Tables:     log (read), copy_mark (read, through is_fed()).
-- On a copy and on a standby a client may know more than the server, because another server was faster. Its cursor is
-- kept then, and it gets nothing until the server has come further. A cursor that no lag explains comes from another
-- log: more than a million ids for each second since the newest event here was committed, which is more than any
-- primary gives, apart from the steps of a billion by which generations begin (check_generation()).
CREATE OR REPLACE FUNCTION pgevents.may_lag(after bigint, head bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
  seconds double precision;
BEGIN
  IF NOT (pg_is_in_recovery() OR pgevents.is_fed()) OR after - head >= 1000000000000 THEN
    RETURN false;
  END IF;
  seconds := date_part('epoch', clock_timestamp() - (SELECT l.ts FROM pgevents.log l ORDER BY l.id DESC LIMIT 1));
  RETURN (after - head) % 1000000000 <= coalesce(1000000 * (1 + greatest(seconds, 0)), 'infinity');
END
$$;
