-- pgevents.turn_is_big(turn): whether giving ids to a turn at once would make other publishers wait for long.
-- Parameters: turn: its number, or NULL.
-- Returns:    true if it has more than 1,000 further events; false also under SERIALIZABLE, where each event is a turn.
-- Errors:     none.
-- Tables:     staging_rest (read, unless the turn has one event).
CREATE OR REPLACE FUNCTION pgevents.turn_is_big(turn bigint) RETURNS boolean
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
  IF turn IS NULL OR current_setting('pgevents.turn', true) = turn::text
     OR current_setting('transaction_isolation') = 'serializable' THEN
    RETURN false;
  END IF;
  RETURN EXISTS (SELECT FROM pgevents.staging_rest s WHERE s.turn = turn_is_big.turn OFFSET 1000);
END
$$;
