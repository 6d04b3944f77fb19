-- pgevents.sequencer_ready(): promises that this session gives ids to what publishers leave, as soon as one of them
-- notifies with the payload `l`. So a transaction with very many events leaves them although no sequencer works.
-- Parameters: none.
-- Returns:    nothing.
-- Errors:     none.
-- Tables:     none.
-- The promise holds until the session ends. For front-ends that LISTEN, once in each session. Only a stranger can have
-- the lock alone: the listener does not wait for it, because it would deliver nothing meanwhile. Then it has promised
-- nothing, and transactions with very many events give the ids themselves.
CREATE OR REPLACE FUNCTION pgevents.sequencer_ready() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_try_advisory_lock_shared(1885824374, 7);  -- lock "ready"
END
$$;
