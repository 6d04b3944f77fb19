-- pgevents.presence_channel(realm): where presence in a realm is told. An application may replace this function.
-- Parameters: realm: which.
-- Returns:    the channel; NULL: it is not told by events.
-- Errors:     none.
-- Tables:     none.
-- The realm is written as in user_channel() and as `{realm}` in a grant: the grant `presence:{realm}` fits.
CREATE OR REPLACE FUNCTION pgevents.presence_channel(realm text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT 'presence:' || replace(replace(realm, '=', '=3D'), ':', '=3A')
$$;
