-- pgevents.presence_realm_key(realm): the number of a realm's lock.
-- Parameters: realm: which.
-- Returns:    0 to 255.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.presence_realm_key(realm text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT hashtext(realm) & 255
$$;
