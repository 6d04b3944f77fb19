-- pgevents.revocations(): everything that is revoked, for the listener when it starts or reconnects.
-- Parameters: none.
-- Returns:    a row for each user with a revocation, in no particular order; before_us: their tokens issued before it
--             are rejected (microseconds since the epoch; the greatest bigint: all of them). A user without a row is
--             not revoked (any more).
-- Errors:     none.
-- Tables:     revocations (read).
-- PL/pgSQL, because install.sql creates the functions also when it stops at a version without this table.
CREATE OR REPLACE FUNCTION pgevents.revocations() RETURNS TABLE (user_id text, before_us bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT r.user_id, pgevents.revocation_us(r.before) FROM pgevents.revocations r;
END
$$;
