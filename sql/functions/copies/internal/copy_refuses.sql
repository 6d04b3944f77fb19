-- pgevents.copy_refuses(): statement trigger that the tables of a copy have (copy_guard()): rejects every change but
-- those of replication, for which the trigger does not fire.
-- Parameters: none.
-- Returns:    NULL (ignored), if the database is no copy.
-- Errors:     PT503 on a copy.
-- Tables:     copy_mark (read, through is_fed()).
-- A row that a copy got by itself could collide with one of the primary, and then replication would stop.
CREATE OR REPLACE FUNCTION pgevents.copy_refuses() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pgevents.primary_only();
  RETURN NULL;
END
$$;
