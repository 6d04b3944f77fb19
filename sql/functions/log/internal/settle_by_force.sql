-- pgevents.settle_by_force(): lets mark_settled() pass under a load so steady that a transaction is always leaving
-- events, at most once a second in a session.
-- Parameters: none; the caller holds the lock "append", is READ COMMITTED, and has moved nothing.
-- Returns:    nothing.
-- Errors:     none.
-- Tables:     ready (read, through mark_settled()).
-- Waits for the lock "leaving" for 20 ms at most. Meanwhile no transaction gets it shared, so publishers wait for the
-- lock "append" instead.
CREATE OR REPLACE FUNCTION pgevents.settle_by_force() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  last_time text := nullif(current_setting('pgevents.settled_by_force', true), '');
  timeout   text := current_setting('lock_timeout');
  time      double precision := date_part('epoch', clock_timestamp());
BEGIN
  IF pg_sequence_last_value('pgevents.ready_n'::regclass) - pg_sequence_last_value('pgevents.ready_low'::regclass)
       <= 100000 OR time - last_time::double precision BETWEEN 0 AND 1 THEN
    RETURN;
  END IF;
  PERFORM set_config('pgevents.settled_by_force', time::text, false);
  BEGIN
    PERFORM set_config('lock_timeout', '20ms', true);
    PERFORM pg_advisory_xact_lock(1885824374, 5);  -- lock "leaving"
    PERFORM pgevents.mark_settled();
    PERFORM set_config('lock_timeout', timeout, true);
  EXCEPTION WHEN lock_not_available THEN NULL;
  END;
END
$$;
