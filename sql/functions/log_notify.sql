-- pgevents.log_notify(): row trigger of pgevents.log; wakes the listeners when the transaction has committed.
-- Parameters: none.
-- Returns:    NULL (ignored).
-- Errors:     none of its own.
-- Tables:     none.
-- The payload is constant: equal notifications of one transaction become one. What is new is read from the log.
CREATE OR REPLACE FUNCTION pgevents.log_notify() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('pgevents', '');
  RETURN NULL;
END
$$;
