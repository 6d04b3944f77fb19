-- pgevents.ready_number(): the number under which a turn leaves its events.
-- Parameters: none; the caller holds the lock "leaving".
-- Returns:    a new number; under SERIALIZABLE, where each event is a turn, the same for all events of one COMMIT.
-- Errors:     none.
-- Tables:     none (the sequences ready_n, ready_low).
-- The number used before comes from a setting, which the session may have set itself. So it counts only if it could
-- have been drawn and is not accounted for: others cannot be harmed by it.
CREATE OR REPLACE FUNCTION pgevents.ready_number() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  number  bigint;
  nothing text;
BEGIN
  IF current_setting('transaction_isolation') <> 'serializable' THEN
    RETURN nextval('pgevents.ready_n');
  END IF;
  number := nullif(current_setting('pgevents.ready_number', true), '');
  IF number > pg_sequence_last_value('pgevents.ready_low'::regclass)
     AND number <= pg_sequence_last_value('pgevents.ready_n'::regclass) THEN
    RETURN number;
  END IF;
  number := nextval('pgevents.ready_n');
  nothing := set_config('pgevents.ready_number', number::text, true);
  RETURN number;
END
$$;
