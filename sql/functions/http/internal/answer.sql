-- pgevents.answer(members…): one JSON object, for answers.
-- Parameters: members: of the object, written out ("name":value, several with a comma between); NULL: passed over.
-- Returns:    the object with them in this order. (jsonb would put them in its own, and spaces between.)
-- Errors:     22P02 when they are no members of an object.
-- Tables:     none.
-- Text to the end: to take a long object apart again would take longer than to make it.
CREATE OR REPLACE FUNCTION pgevents.answer(VARIADIC members text[]) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ('{' || array_to_string(members, ',') || '}')::json
$$;
