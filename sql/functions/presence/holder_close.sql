-- pgevents.holder_close(holder): a process is gone, and its connections with it.
-- Parameters: holder: as holder_open() gave it.
-- Returns:    nothing. After the grace time those of its users who are connected nowhere else are told to be disconnected.
-- Errors:     none.
-- Tables:     presence_holders (update).
CREATE OR REPLACE FUNCTION pgevents.holder_close(holder bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pgevents.presence_holders h SET alive_until = clock_timestamp()
   WHERE h.holder = holder_close.holder AND h.alive_until > clock_timestamp();
END
$$;
