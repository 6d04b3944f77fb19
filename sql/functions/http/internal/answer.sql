-- pgevents.answer(members…): joins members to one JSON object, for answers.
-- Parameters: members: of the object, written out ("name":value, several with a comma between); NULL: skipped.
-- Returns:    the object with the members in this order (jsonb would reorder them and add spaces).
-- Errors:     22P02 if they are not members of an object.
-- Tables:     none.
-- Stays text until the end: parsing a long object again would take longer than making it.
CREATE OR REPLACE FUNCTION pgevents.answer(VARIADIC members text[]) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ('{' || array_to_string(members, ',') || '}')::json
$$;
