-- pgevents.timing(name): a duration that an operator may change.
-- Parameters: name: of the row in settings.
-- Returns:    interval.
-- Errors:     02000 when somebody has deleted the row.
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.timing(name text) RETURNS interval
LANGUAGE plpgsql STABLE AS $$
DECLARE
  duration interval := (SELECT s.value::interval FROM pgevents.settings s WHERE s.name = timing.name);
BEGIN
  IF duration IS NULL THEN
    RAISE no_data_found USING MESSAGE = format('pgevents.settings has no row %L', timing.name);
  END IF;
  RETURN duration;
END
$$;
