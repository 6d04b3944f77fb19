-- pgevents.log_notify(): row trigger of pgevents.log; wakes the listeners when the transaction has committed.
-- Parameters: none.
-- Returns:    NULL (ignored).
-- Errors:     none of its own.
-- Tables:     none.
-- Runs with the caller's rights and names everything in full, because a fixed search_path would double its cost. The
-- payload is constant, so that all notifications of one transaction become one; the listener reads the new events from
-- the log.
CREATE OR REPLACE FUNCTION pgevents.log_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  nothing pg_catalog.text := pg_catalog.pg_notify('pgevents', '');
BEGIN
  RETURN NULL;
END
$$;
