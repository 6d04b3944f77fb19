-- pgevents.is_settled(): whether no event can be without its id, because every turn number that was ever drawn is
-- accounted for.
-- Parameters: none.
-- Returns:    boolean; false also if it is not certain.
-- Errors:     none.
-- Tables:     none (the sequences ready_n, ready_low).
-- Reads sequences, which no snapshot limits: so it is right at every isolation level, and does not make serializable
-- transactions conflict. A transaction draws its number before it commits, and its number is accounted for after its
-- events have got their ids: a transaction that depends on it finds either its events in the
-- log, or false here.
CREATE OR REPLACE FUNCTION pgevents.is_settled() RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN pg_sequence_last_value('pgevents.ready_n'::regclass) <= pg_sequence_last_value('pgevents.ready_low'::regclass);
END
$$;
