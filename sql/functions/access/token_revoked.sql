-- pgevents.token_revoked(user_id, issued_us): whether a token is revoked; the fallback asks this for each token that it
-- receives.
-- Parameters: user_id: the token's user; issued_us: when it was issued, microseconds since the epoch; 0 or NULL:
--             unknown, counts as old.
-- Returns:    boolean, never NULL.
-- Errors:     none.
-- Tables:     revocations (read).
CREATE OR REPLACE FUNCTION pgevents.token_revoked(user_id text, issued_us bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM pgevents.revocations r
     WHERE r.user_id = token_revoked.user_id AND coalesce(issued_us, 0) < pgevents.revocation_us(r.before));
END
$$;
