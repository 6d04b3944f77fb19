-- pgevents.turn_number(): which turn the next staged event belongs to.
-- Parameters: none.
-- Returns:    for the column staging.turn: the turn's number for a further event, the negative number for the first
--             event of a turn, NULL for an event that is a turn of its own.
-- Errors:     none of its own.
-- Tables:     none.
-- The setting pgevents.turn holds the turn that is open: "transaction:turn", with "+" behind it when the turn has
-- further events; "transaction=" after a turn whose events got their ids. It is local to the transaction, and ROLLBACK
-- TO SAVEPOINT takes it back together with the rows. A session that sets it itself may lose events of its own. The
-- setting pgevents.direct is the transaction that must not leave events any more. Under SERIALIZABLE every event is a
-- turn of its own: reading staging would make publishers conflict.
CREATE OR REPLACE FUNCTION pgevents.turn_number() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  me      text := pg_current_xact_id();
  state   text := current_setting('pgevents.turn', true);
  number  bigint;
  nothing text;
BEGIN
  IF current_setting('transaction_isolation') = 'serializable' THEN
    RETURN NULL;
  ELSIF split_part(state, ':', 1) = me THEN
    IF right(state, 1) <> '+' THEN
      nothing := set_config('pgevents.turn', state || '+', true);
    END IF;
    RETURN rtrim(split_part(state, ':', 2), '+');
  ELSIF state = me || '=' THEN
    nothing := set_config('pgevents.direct', me, true);
  END IF;
  number := nextval('pgevents.staging_ord');
  nothing := set_config('pgevents.turn', me || ':' || number, true);
  RETURN -number;
END
$$;
