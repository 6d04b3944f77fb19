-- pgevents.turn_way(is_control, turn): decides what becomes of a turn, if it is not the usual case of turns_sequence().
-- Parameters: is_control: it is a control event, which never leaves; turn: its number.
-- Returns:    direct: the turn's events get their ids now, the transaction holds the lock "append"; waited: the same,
--             after it has waited; leave: the turn leaves its events, the transaction holds the lock "leaving".
-- Errors:     none of its own. At COMMIT the session's lock_timeout applies; statement_timeout does not.
-- Tables:     ready (delete, through drain()), generations (see check_generation()).
-- A turn leaves only while a sequencer works. A big one then leaves in any case: it gets its ids in parts, so that
-- other publishers do not wait for it. While 5,000 turns wait for their ids, none leaves: a sequencer that hangs keeps
-- its lock, and publishers do its work then. If no sequencer works, the next turn gives ids to what was left, which
-- only a READ COMMITTED transaction sees: at other levels the turn leaves as well, so as not to overtake it. Nobody
-- waits for the lock "leaving": a transaction asks for it alone only while it holds the lock "append". Under
-- SERIALIZABLE the setting pgevents.direct_until is greater than the turns that had been published when the first one
-- got its id: they follow it, so that other events do not come between, and all become visible at once.
CREATE OR REPLACE FUNCTION pgevents.turn_way(is_control boolean, turn bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  way      text := 'direct';
  settled  boolean := pgevents.is_settled();
  has_lock boolean := false;
  nothing  text;
BEGIN
  IF turn < nullif(current_setting('pgevents.direct_until', true), '')::bigint THEN
    nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
    RETURN way;
  ELSIF settled AND (is_control OR NOT pgevents.is_watched() OR NOT pgevents.turn_is_big(turn)) THEN
    has_lock := pg_try_advisory_xact_lock(1885824374, 1);  -- lock "append"
  END IF;
  IF NOT has_lock THEN
    IF NOT is_control AND current_setting('pgevents.direct', true) IS DISTINCT FROM 'yes'
       AND pgevents.is_watched() AND pg_sequence_last_value('pgevents.ready_n'::regclass) - 5000
         < greatest(pg_sequence_last_value('pgevents.ready_done'::regclass),
                    pg_sequence_last_value('pgevents.ready_low'::regclass))
       AND pg_try_advisory_xact_lock_shared(1885824374, 5) THEN  -- lock "leaving"
      RETURN 'leave';
    ELSIF NOT pg_try_advisory_xact_lock(1885824374, 1) THEN  -- lock "append"
      way := 'waited';
      nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
    END IF;
  END IF;
  IF current_setting('pgevents.generation_checked', true) IS DISTINCT FROM 'yes' THEN
    PERFORM pgevents.check_generation();
    settled := settled AND pgevents.is_settled();
  END IF;
  IF settled THEN
    RETURN way;
  ELSIF starts_with(current_setting('transaction_isolation'), 'read') THEN
    IF (SELECT d.events FROM pgevents.drain(2147483647) d) = 0 THEN
      PERFORM pgevents.mark_settled();
    END IF;
  ELSIF NOT is_control THEN
    way := 'leave';
    nothing := pg_advisory_xact_lock_shared(1885824374, 5);  -- lock "leaving"
  END IF;
  RETURN way;
END
$$;
