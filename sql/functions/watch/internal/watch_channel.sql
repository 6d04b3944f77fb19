-- pgevents.watch_channel(relation, template, alias): checks a template of channels and translates it into SQL.
-- Parameters: relation: the table; template: a channel's name with {column} in place of values; alias: the
--             row in the expression: r, OLD or NEW.
-- Returns:    an expression for the channel of the row.
-- Errors:     PT400.
-- Tables:     none.
-- The name begins with a literal word and a literal character that no value contains: so no value can turn it into a
-- channel of another kind, and none of the kinds whose events pages act on can be meant. Such a character also stands
-- between two values: otherwise rows with different values could share a channel. The text of integers and uuids needs
-- no encoding, so that the function is called for NULL only.
CREATE OR REPLACE FUNCTION pgevents.watch_channel(relation regclass, template text, alias text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  word    text := substring(template COLLATE "C" from '^[A-Za-z0-9_-]*');
  missing text := (SELECT m[1] FROM regexp_matches(template, '[{]([^{}]*)[}]', 'g') m
                    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = m[1]
                                         AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated IN ('', 's'))
                    LIMIT 1);
  fault   text := CASE
    WHEN (template COLLATE "C" ~ '^[A-Za-z0-9_-]+([.:@=+]([A-Za-z0-9_.:@=+-]|[{][^{}]+[}])*)?$') IS NOT TRUE
      THEN 'it must begin with a word and one of .:@=+, and have no other characters than these outside of {column}'
    WHEN word IN ('user', 'presence', 'stream', 'pgevents') THEN format('the prefix %s is reserved', word)
    WHEN template COLLATE "C" ~ '[}][A-Za-z0-9_-]*[{]' THEN 'one of .:@=+ must stand between two columns'
    WHEN octet_length(regexp_replace(template, '[{][^{}]*[}]', '', 'g')) > 255 THEN 'it is longer than 255 bytes'
    WHEN missing IS NOT NULL THEN format('%s has no column %I', relation, missing) END;
BEGIN
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', format('Invalid channel %s: %s', to_json(template), fault));
  END IF;
  RETURN (SELECT string_agg(CASE
             WHEN m.part[1] IS NOT NULL THEN quote_literal(m.part[1])
             WHEN a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype)
               THEN format('coalesce(%1$s.%2$I::text, pgevents.channel_value(%1$s.%2$I::text, %2$L))', alias,
                           a.attname)
             ELSE format('pgevents.channel_value(%1$s.%2$I::text, %2$L)', alias, a.attname) END, ' || ' ORDER BY m.n)
            FROM regexp_matches(template, '([^{}]+)|[{]([^{}]+)[}]', 'g') WITH ORDINALITY m (part, n)
            LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = m.part[2] AND a.attnum > 0);
END
$$;
