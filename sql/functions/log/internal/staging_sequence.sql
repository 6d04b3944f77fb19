-- pgevents.staging_sequence(): deferred constraint trigger of pgevents.staging, for the first event of each turn; the
-- first round at COMMIT.
-- Parameters: NEW: the staged event.
-- Returns:    NULL (ignored).
-- Errors:     none of its own.
-- Tables:     turns (insert).
-- PostgreSQL runs deferred triggers in the order in which they were queued; triggers that they queue themselves run
-- after all others. In this round the turn only queues again. In the second round (turns_sequence()) all deferred
-- foreign keys and triggers of the application have been checked, so that no transaction waits for a row's lock while
-- it holds the lock "append". Under SERIALIZABLE the events of one COMMIT are left under one number: the first round
-- forgets that of earlier turns (SET CONSTRAINTS … IMMEDIATE), because other transactions may have come between.
CREATE OR REPLACE FUNCTION pgevents.staging_sequence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  nothing text;
BEGIN
  IF current_setting('transaction_isolation') = 'serializable' THEN
    nothing := set_config('pgevents.ready_number', '', true);
  END IF;
  INSERT INTO pgevents.turns (turn, channel_id, type, data, expires_at, staged_at)
    VALUES (NEW.turn, NEW.channel_id, NEW.type, NEW.data, NEW.expires_at, NEW.staged_at);
  RETURN NULL;
END
$$;
