-- pgevents.revocations(): all that is revoked, for the listener when it begins or comes back.
-- Parameters: none.
-- Returns:    a row per user, in no particular order; before_us: his tokens issued before it are refused, microseconds since the
--             epoch, the greatest bigint: all of them. Who is not among the rows is not revoked (any more).
-- Errors:     none.
-- Tables:     revocations (read).
-- PL/pgSQL, as install.sql makes the functions also while it stops at a version that has no such table yet.
CREATE OR REPLACE FUNCTION pgevents.revocations() RETURNS TABLE (user_id text, before_us bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY SELECT r.user_id, pgevents.revocation_us(r.before) FROM pgevents.revocations r;
END
$$;
