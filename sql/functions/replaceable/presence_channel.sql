-- pgevents.presence_channel(realm): the channel for presence in a realm. An application may replace this function.
-- Parameters: realm: the realm.
-- Returns:    the channel; NULL: presence in it is not published.
-- Errors:     none.
-- Tables:     none.
-- The realm is written as in user_channel() and as `{realm}` in a grant, so that the grant `presence:{realm}` fits.
CREATE OR REPLACE FUNCTION pgevents.presence_channel(realm text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT 'presence:' || replace(replace(realm, '=', '=3D'), ':', '=3A')
$$;
