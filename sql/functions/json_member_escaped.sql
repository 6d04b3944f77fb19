-- pgevents.json_member_escaped(object, name): json_member() for a text with escapes.
-- Parameters: object: any JSON; name: of the member.
-- Returns:    the value as it stands in the text, NULL when there is no such member or object is no object.
-- Errors:     none for valid JSON.
-- Tables:     none.
-- The -> operator translates every escape of the whole text while it searches, and so fails on \u0000 and on lone
-- surrogates anywhere in it, which JSON allows and JavaScript writes. Where such escapes occur, they are replaced by a
-- harmless one that the text does not contain, and put back in the result. The stand-in begins with the only backslash
-- in it, so that it cannot overlap with itself: putting back undoes exactly what was done.
CREATE OR REPLACE FUNCTION pgevents.json_member_escaped(object json, name text) RETURNS json
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  -- E'' throughout: what a backslash means must not depend on the session's standard_conforming_strings.
  awkward  constant text := E'\\\\u(?=0000|[dD][89a-fA-F])';
  source   text := object::text;
  stand_in text := E'\\/';
  attempt  int := 0;
BEGIN
  IF source !~ awkward THEN
    RETURN object -> name;
  END IF;
  WHILE strpos(source, stand_in) > 0 LOOP
    attempt := attempt + 1;
    stand_in := E'\\/' || attempt || '~';
  END LOOP;
  source := regexp_replace(source, awkward, E'\\' || stand_in, 'g');
  RETURN replace((source::json -> name)::text, stand_in, E'\\u')::json;
END
$$;
