-- pgevents.settings_found(): statement triggers of pgevents.settings, before and after an UPDATE; refuses one that matches no row.
-- Parameters: none.
-- Returns:    NULL (ignored).
-- Errors:     PT400.
-- Tables:     none.
-- `UPDATE … WHERE name = 'retenton'` would otherwise succeed and change nothing. A transition table would not do: INSERT … ON CONFLICT
-- DO UPDATE calls these triggers too, also when it inserts.
CREATE OR REPLACE FUNCTION pgevents.settings_found() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_WHEN = 'BEFORE' THEN
    PERFORM set_config('pgevents.settings_written', '', true);
  ELSIF current_setting('pgevents.settings_written', true) IS DISTINCT FROM 'yes' THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('No setting matches: %s', left(current_query(), 200)),
      HINT = 'Settings are: ' || array_to_string(pgevents.setting_names(), ', ') || '. One that has no row yet needs an INSERT.';
  END IF;
  RETURN NULL;
END
$$;
