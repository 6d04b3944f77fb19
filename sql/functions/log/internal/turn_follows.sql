-- pgevents.turn_follows(is_control): gives ids to what was left before a turn, so that the turn does not overtake it.
-- Parameters: is_control: the turn must not leave its events. The caller holds the lock "append".
-- Returns:    whether everything that this transaction sees has its ids now.
-- Errors:     none.
-- Tables:     ready (delete, through drain()), settings (read, see is_expected()).
-- What was left is seen by READ COMMITTED transactions only: at other levels the turn leaves as well. If a front-end is
-- ready to become the sequencer it is about to: then this transaction gives ids to 1,000 events at most, and leaves its
-- own behind the others.
CREATE OR REPLACE FUNCTION pgevents.turn_follows(is_control boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  max_rows int;  -- NULL: all
  events   int;
  is_more  boolean;
BEGIN
  IF NOT starts_with(current_setting('transaction_isolation'), 'read') THEN
    RETURN false;
  ELSIF NOT is_control AND current_setting('pgevents.direct', true) IS DISTINCT FROM 'yes'
        AND pgevents.is_expected() THEN
    max_rows := 1000;
  END IF;
  SELECT d.events, d.is_more INTO events, is_more FROM pgevents.drain(max_rows) d;
  IF events = 0 THEN
    PERFORM pgevents.mark_settled();
  END IF;
  RETURN NOT is_more;
END
$$;
