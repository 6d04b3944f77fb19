-- pgevents.json_stand_in(source): an escape that a JSON text does not contain, for json_harmless().
-- Parameters: source: the text.
-- Returns:    an escaped slash and 16 digits. Its only backslash is its first character, so that it cannot overlap with
--             itself.
-- Errors:     PT400 if the text contains both candidates.
-- Tables:     none.
-- The candidates come from the text's digest: writing a text that contains even one of them takes some 2^64 attempts.
-- Candidates that are counted up could be foreseen: a text that contains the first thousand would be searched a
-- thousand times.
CREATE OR REPLACE FUNCTION pgevents.json_stand_in(source text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  digest   text := encode(sha256(convert_to(source, 'UTF8')), 'hex');
  stand_in text := E'\\/' || left(digest, 16);
BEGIN
  IF strpos(source, stand_in) > 0 THEN
    stand_in := E'\\/' || right(digest, 16);
    IF strpos(source, stand_in) > 0 THEN
      PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid JSON: it contains its own digest');
    END IF;
  END IF;
  RETURN stand_in;
END
$$;
