-- pgevents.turn_left(n, events): what a transaction does when it has left a turn.
-- Parameters: n: the turn's number; events: how many it has left.
-- Returns:    nothing.
-- Errors:     none of its own. At COMMIT the session's lock_timeout applies.
-- Tables:     none (the sequence ready_done).
-- If the sequencer is far behind, the transaction waits until the batch that is being moved is done, a big one for as
-- many batches as its own events make: publishers cannot be faster for long than ids are given. The lock is released in
-- the same expression: no interrupt comes between.
-- If the sequencer has ended meanwhile, the transaction notifies. It asks that after it has drawn its number, and a
-- sequencer looks for numbers once more after it has ended: one of the two notices the other.
CREATE OR REPLACE FUNCTION pgevents.turn_left(n bigint, events bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  nothing text;
BEGIN
  IF (n - pg_sequence_last_value('pgevents.ready_done'::regclass)) * (events + 10) > 5000 THEN
    FOR batch IN 0 .. events / 2000 LOOP
      nothing := pg_advisory_lock_shared(1885824374, 1)::text ||  -- lock "append"
        pg_advisory_unlock_shared(1885824374, 1)::text;           -- lock "append"
    END LOOP;
  END IF;
  IF NOT pgevents.is_watched() THEN
    nothing := pg_notify('pgevents', 'l');
  END IF;
END
$$;
