-- pgevents.is_copy(): whether this database is a copy of another one's log by logical replication, so that it serves
-- readers and gives no ids.
-- Parameters: none.
-- Returns:    boolean; true from become_copy() to promote_copy(), and while any subscription feeds pgevents.log.
-- Errors:     none.
-- Tables:     copy_mark (read).
CREATE OR REPLACE FUNCTION pgevents.is_copy() RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN pgevents.is_fed();
END
$$;
