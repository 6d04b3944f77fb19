-- pgevents.timing(name): reads a duration that an operator may change.
-- Parameters: name: of the row in settings.
-- Returns:    interval.
-- Errors:     P0002 if the row has been deleted.
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.timing(name text) RETURNS interval
LANGUAGE plpgsql STABLE AS $$
DECLARE
  duration interval := (SELECT s.value::interval FROM pgevents.settings s WHERE s.name = timing.name);
BEGIN
  IF duration IS NULL THEN
    RAISE no_data_found USING MESSAGE = format('pgevents.settings has no row %L', timing.name),
      HINT = 'Insert the row again; docs/sql.md, section 13, has the defaults.';
  END IF;
  RETURN duration;
END
$$;
