-- pgevents.json_member(object, name): a member's value, verbatim.
-- Parameters: object: any JSON; name: of the member.
-- Returns:    the value as it stands in the text, NULL when there is no such member or object is no object.
-- Errors:     none for valid JSON.
-- Tables:     none.
-- Without SET and SECURITY DEFINER: so the planner inlines it.
CREATE OR REPLACE FUNCTION pgevents.json_member(object json, name text) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN strpos(object::text, E'\\u') = 0 THEN object -> name ELSE pgevents.json_member_escaped(object, name) END
$$;
