-- pgevents.channel_value(value, name): a value as it stands in the name of a channel that watch() makes.
-- Parameters: value: the value as text; name: what to call it in an error, for example its column.
-- Returns:    the value, with every byte of its UTF-8 beyond A-Za-z0-9_- as % and two hexadecimal digits.
-- Errors:     PT400 if it is NULL, or alone longer than a channel may be.
-- Tables:     none.
-- With the rights of the caller, as triggers and applications call it: so it raises its errors itself.
CREATE OR REPLACE FUNCTION pgevents.channel_value(value text, name text DEFAULT 'value') RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF value COLLATE "C" ~ '^[A-Za-z0-9_-]{0,255}$' THEN
    RETURN value;
  ELSIF value IS NULL OR octet_length(value) > 255 THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('No channel can be made of %I: it is %s', name,
                       CASE WHEN value IS NULL THEN 'NULL' ELSE 'longer than 255 bytes' END);
  END IF;
  RETURN (SELECT string_agg(CASE WHEN c.letter COLLATE "C" ~ '[A-Za-z0-9_-]' THEN c.letter ELSE
             regexp_replace(upper(encode(convert_to(c.letter, 'UTF8'), 'hex')), '(..)', E'%\\1', 'g') END, ''
             ORDER BY c.n)
            FROM unnest(string_to_array(value, NULL)) WITH ORDINALITY c (letter, n));
END
$$;
