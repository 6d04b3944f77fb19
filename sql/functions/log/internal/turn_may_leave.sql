-- pgevents.turn_may_leave(turn): whether a turn may leave its events, if it has no control event.
-- Parameters: turn: its number.
-- Returns:    true while a sequencer works and is not far behind, unless the transaction has given ids before; for a
--             big turn also while a front-end is ready to become the sequencer.
-- Errors:     none.
-- Tables:     staging_rest (read, see turn_is_big()), settings (read, see is_expected()); the sequences ready_n,
--             ready_done, ready_low.
-- A big turn that leaves gets its ids in parts, so that other publishers do not wait for it. While 5,000 turns wait for
-- their ids, none leaves: a sequencer that hangs keeps its lock, and publishers do its work then.
CREATE OR REPLACE FUNCTION pgevents.turn_may_leave(turn bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN current_setting('pgevents.direct', true) IS DISTINCT FROM 'yes'
    AND (pgevents.is_watched() OR pgevents.turn_is_big(turn) AND pgevents.is_expected())
    AND pg_sequence_last_value('pgevents.ready_n'::regclass) - 5000
      < greatest(pg_sequence_last_value('pgevents.ready_done'::regclass),
                 pg_sequence_last_value('pgevents.ready_low'::regclass));
END
$$;
