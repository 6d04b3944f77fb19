-- pgevents.settings_found(): statement triggers of pgevents.settings, before and after an UPDATE; rejects an UPDATE
-- that matches no row.
-- Parameters: none.
-- Returns:    NULL (ignored).
-- Errors:     PT400.
-- Tables:     none.
-- `UPDATE … WHERE name = 'retenton'` would otherwise succeed and change nothing. A transition table does not help:
-- INSERT … ON CONFLICT DO UPDATE calls these triggers too, also when it inserts.
CREATE OR REPLACE FUNCTION pgevents.settings_found() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_WHEN = 'BEFORE' THEN
    PERFORM set_config('pgevents.settings_written', '', true);
  ELSIF current_setting('pgevents.settings_written', true) IS DISTINCT FROM 'yes' THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('No row of pgevents.settings matches: %s', left(current_query(), 200)),
      HINT = format('The settings are: %s. Use INSERT for a setting that has no row yet.',
                    array_to_string(pgevents.setting_names(), ', '));
  END IF;
  RETURN NULL;
END
$$;
