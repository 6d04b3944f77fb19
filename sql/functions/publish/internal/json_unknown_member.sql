-- pgevents.json_unknown_member(object, known): the first member of an object that is not in a list of known names.
-- Parameters: object: a JSON object, as json_harmless() returns it; known: names of members.
-- Returns:    its name, as JSON text of at most 100 characters; NULL: all members are known.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.json_unknown_member(object json, known text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT left(to_json(k.name)::text, 100) FROM json_object_keys(object) WITH ORDINALITY k (name, place)
   WHERE k.name <> ALL (known) ORDER BY k.place LIMIT 1
$$;
