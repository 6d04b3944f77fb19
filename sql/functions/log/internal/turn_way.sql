-- pgevents.turn_way(is_control, turn): decides what becomes of a turn, if it is not the usual case of turns_sequence().
-- Parameters: is_control: it is a control event, which never leaves; turn: its number.
-- Returns:    direct: the turn's events get their ids now, the transaction holds the lock "append"; waited: the same,
--             after it has waited; leave: the turn leaves its events, the transaction holds the lock "leaving".
-- Errors:     40001 for a control event, see check_generation(). At COMMIT the session's lock_timeout applies;
--             statement_timeout does not.
-- Tables:     ready (delete, through drain()), generations (see check_generation()), settings (read, see
--             is_expected()).
-- A turn that would have to wait leaves if it may (turn_may_leave()); a big one also if it would not have to wait. One
-- that had to wait leaves if it may when it gets the lock. Otherwise a turn follows what was left (turn_follows()); one
-- whose snapshot does not show that, or not the generation that another transaction has begun, leaves, so as not to
-- overtake it. Nobody waits for the lock "leaving": a transaction asks for it alone only while it holds the lock
-- "append". Under SERIALIZABLE the setting pgevents.direct_until is greater than the turns that had been published when
-- the first one got its id: they follow it, so that other events do not come between, and all become visible at once. A
-- session that sets it itself may bring its own event before others that were committed earlier.
CREATE OR REPLACE FUNCTION pgevents.turn_way(is_control boolean, turn bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  settled   boolean := pgevents.is_settled();
  may_leave boolean := NOT is_control AND pgevents.turn_may_leave(turn);
  way       text := 'direct';
  nothing   text;
BEGIN
  IF turn < nullif(current_setting('pgevents.direct_until', true), '')::bigint THEN
    nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
    PERFORM pgevents.check_generation();
    RETURN way;
  ELSIF NOT (settled AND NOT (may_leave AND pgevents.turn_is_big(turn))
             AND pg_try_advisory_xact_lock(1885824374, 1)) THEN  -- lock "append"
    IF may_leave AND pg_try_advisory_xact_lock_shared(1885824374, 5) THEN  -- lock "leaving"
      RETURN 'leave';
    ELSIF NOT pg_try_advisory_xact_lock(1885824374, 1) THEN  -- lock "append"
      way := 'waited';
      IF NOT pgevents.turn_waits(is_control, turn) THEN
        IF pg_try_advisory_xact_lock_shared(1885824374, 5) THEN  -- lock "leaving"
          RETURN 'leave';
        END IF;
        nothing := pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
      END IF;
    END IF;
  END IF;
  IF NOT pgevents.generation_is_checked() THEN
    BEGIN
      PERFORM pgevents.check_generation();
      settled := settled AND pgevents.is_settled();
    EXCEPTION WHEN serialization_failure THEN
      IF is_control THEN
        RAISE;
      END IF;
      settled := false;
    END;
  END IF;
  IF NOT settled AND NOT pgevents.turn_follows(is_control) AND NOT is_control THEN
    way := 'leave';
    nothing := pg_advisory_xact_lock_shared(1885824374, 5);  -- lock "leaving"
  END IF;
  RETURN way;
END
$$;
