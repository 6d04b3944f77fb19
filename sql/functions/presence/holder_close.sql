-- pgevents.holder_close(holder): ends a presence session (holder): the process is gone, and its connections with it.
-- Parameters: holder: as returned by holder_open().
-- Returns:    nothing. After the grace period an event reports those of its users as disconnected who have no other
--             connection.
-- Errors:     none.
-- Tables:     presence_holders (update).
CREATE OR REPLACE FUNCTION pgevents.holder_close(holder bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pgevents.presence_holders h SET alive_until = clock_timestamp()
   WHERE h.holder = holder_close.holder AND h.alive_until > clock_timestamp();
END
$$;
