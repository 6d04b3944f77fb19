-- pgevents.user_channel(realm, user_id): the channel that is private to a user. An application may replace this
-- function, if the front-ends grant every user what it returns.
-- Parameters: realm, user_id: the user.
-- Returns:    the channel; NULL: nothing is published to the user.
-- Errors:     none.
-- Tables:     none.
-- A user id identifies a user only within a realm. In the realm's name a colon would end it: two realms must not share
-- a channel. The same rule as in core/request/access.cpp.
CREATE OR REPLACE FUNCTION pgevents.user_channel(realm text, user_id text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE realm WHEN 'main' THEN 'user:'
              ELSE 'user@' || replace(replace(realm, '=', '=3D'), ':', '=3A') || ':' END || user_id
$$;
