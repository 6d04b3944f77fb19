-- pgevents.json_members(object): the members of a short object, for answer().
-- Parameters: object: without spaces around it, as row_to_json() makes it.
-- Returns:    the text between its braces.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.json_members(object json) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT substr(object::text, 2, length(object::text) - 2)
$$;
