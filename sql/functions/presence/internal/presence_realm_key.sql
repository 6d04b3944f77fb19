-- pgevents.presence_realm_key(realm): the second key of a realm's lock.
-- Parameters: realm: the realm.
-- Returns:    0 to 255.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.presence_realm_key(realm text) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT hashtext(realm) & 255
$$;
