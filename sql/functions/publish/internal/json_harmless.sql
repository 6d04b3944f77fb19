-- pgevents.json_harmless(source): makes a JSON text that PostgreSQL can take apart, whatever escapes it has.
-- Parameters: source: any JSON.
-- Returns:    harmless: source; or, with stand_in, source with another escape in place of each escape that PostgreSQL
--             cannot translate: replace(…, stand_in, E'\\u') undoes that, in all of it or in a part.
-- Errors:     as json_stand_in().
-- Tables:     none.
-- The -> operator translates every escape of the whole text while it searches, and so fails on \u0000 and on lone
-- surrogates anywhere in it, which JSON allows and JavaScript writes. replace(), because regexp_replace() takes several
-- times as long. E'' throughout: the meaning of a backslash must not depend on the session's
-- standard_conforming_strings.
CREATE OR REPLACE FUNCTION pgevents.json_harmless(source json, OUT harmless json, OUT stand_in text)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  code  text;
  spare text;
BEGIN
  harmless := source;
  IF source::text !~ E'\\\\u(0000|[dD][89a-fA-F])' THEN
    RETURN;
  END IF;
  stand_in := pgevents.json_stand_in(source::text);
  spare := source::text;
  FOREACH code IN ARRAY
      '{0000,d8,d9,da,db,dc,dd,de,df,dA,dB,dC,dD,dE,dF,D8,D9,Da,Db,Dc,Dd,De,Df,DA,DB,DC,DD,DE,DF}'::text[] LOOP
    -- Searches the source, which is shorter.
    IF strpos(source::text, E'\\u' || code) > 0 THEN
      spare := replace(spare, E'\\u' || code, stand_in || code);
    END IF;
  END LOOP;
  harmless := spare::json;
END
$$;
