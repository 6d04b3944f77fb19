-- pgevents.name_is_sane(name): whether a channel, an event type or a user may have this name, whatever the front-ends'
-- patterns allow.
-- Parameters: name: any text.
-- Returns:    true: 1 to 255 bytes, no ASCII control character; false otherwise, also for NULL.
-- Errors:     none.
-- Tables:     none.
-- The same rule as in core/text/name_pattern.hpp. Without SET and SECURITY DEFINER, so that the planner inlines it.
CREATE OR REPLACE FUNCTION pgevents.name_is_sane(name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(octet_length(name) BETWEEN 1 AND 255 AND name COLLATE "C" !~ E'[\\u0001-\\u001f\\u007f]', false)
$$;
