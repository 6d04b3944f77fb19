-- pgevents.turn_number(): which turn the next staged event belongs to, if it is not the transaction's first one.
-- Parameters: none; the setting pgevents.turn is not empty.
-- Returns:    the turn's number if the event is a further one of it, for staging_rest; the negative number if it is the
--             first one, for staging.
-- Errors:     none of its own.
-- Tables:     none.
-- The setting pgevents.turn holds the number of the turn that is open, with "+" behind it when the transaction has
-- further events; "=" after a turn whose events got their ids. It is local to the transaction, and ROLLBACK TO
-- SAVEPOINT takes it back together with the rows. A session that sets it itself may lose events of its own. The setting
-- pgevents.direct is "yes" in a transaction that must not leave events. Under SERIALIZABLE every event is a turn of its
-- own: reading staging_rest would make publishers conflict. The first event is simple, and without this function,
-- because PL/pgSQL prepares each expression anew in each transaction: the default of staging.turn opens the turn.
CREATE OR REPLACE FUNCTION pgevents.turn_number() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  state   text := current_setting('pgevents.turn', true);
  nothing text;
BEGIN
  IF state = '=' THEN
    nothing := set_config('pgevents.direct', 'yes', true);
    RETURN -set_config('pgevents.turn', nextval('pgevents.staging_ord')::text, true)::bigint;
  ELSIF right(state, 1) <> '+' THEN
    nothing := set_config('pgevents.turn', state || '+', true);
  END IF;
  IF current_setting('transaction_isolation') = 'serializable' THEN
    RETURN -nextval('pgevents.staging_ord');
  END IF;
  RETURN rtrim(state, '+');
END
$$;
