-- pgevents.is_fed(): is_copy() for pgevents' own functions.
-- Parameters: none.
-- Returns:    as is_copy().
-- Errors:     none.
-- Tables:     copy_mark (read).
-- Each page of the log asks it: without SET and SECURITY DEFINER it costs next to nothing. The catalog lists the tables
-- of this database's subscriptions only.
CREATE OR REPLACE FUNCTION pgevents.is_fed() RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM pgevents.copy_mark)
    OR EXISTS (SELECT FROM pg_catalog.pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass);
END
$$;
