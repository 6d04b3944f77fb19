-- pgevents.log_notify(): row trigger of pgevents.log; wakes the listeners when the transaction has committed.
-- Parameters: none.
-- Returns:    NULL (ignored).
-- Errors:     none of its own.
-- Tables:     none.
-- Not with its owner's rights, and named in full: a fixed search_path would cost as much again.
-- The payload is constant: equal notifications of one transaction become one. What is new is read from the log.
CREATE OR REPLACE FUNCTION pgevents.log_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  nothing pg_catalog.text := pg_catalog.pg_notify('pgevents', '');
BEGIN
  RETURN NULL;
END
$$;
