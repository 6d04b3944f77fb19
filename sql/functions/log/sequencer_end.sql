-- pgevents.sequencer_end(): this session is not the sequencer any more.
-- Parameters: none.
-- Returns:    nothing. It may be called in any session.
-- Errors:     none.
-- Tables:     none.
-- Afterwards the session calls sequence() once more: a publisher that saw the sequencer may have left events since its
-- last call.
CREATE OR REPLACE FUNCTION pgevents.sequencer_end() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('pgevents.is_sequencer', '', false);
  IF pgevents.lock_holder(6) = pg_backend_pid() THEN
    PERFORM pg_advisory_unlock(1885824374, 6);  -- lock "sequencer"
  END IF;
END
$$;
