-- pgevents.settings_check(): row trigger of pgevents.settings; rejects names that do not exist and values that cannot
-- be read.
-- Parameters: NEW: the row.
-- Returns:    NEW.
-- Errors:     PT400, with the name of the setting and what it takes.
-- Tables:     none.
-- A value that cannot be read would stop pruning, or make every request fail, long after it was written. A session
-- setting records for settings_found() that a row was written.
CREATE OR REPLACE FUNCTION pgevents.settings_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted text := CASE
    WHEN NEW.name IN ('reserved_types', 'unknown_members') THEN 'error or warning'
    WHEN NEW.name = 'group_commit' THEN 'on or off'
    WHEN NEW.name IN ('retention', 'revocation_retention') THEN 'an interval greater than 0'
    WHEN NEW.name = 'typing_rate' THEN 'off, or a number of events a minute from 1 to 1000000'
    ELSE 'an interval from 1 millisecond to 7 days' END;
  is_good boolean;
BEGIN
  IF NOT coalesce(NEW.name = ANY (pgevents.setting_names()), false) THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('Setting %s does not exist', to_json(NEW.name)),
      HINT = 'The settings are: ' || array_to_string(pgevents.setting_names(), ', ');
  END IF;
  BEGIN
    is_good := CASE wanted
      WHEN 'error or warning' THEN NEW.value IN ('error', 'warning')
      WHEN 'on or off' THEN NEW.value IN ('on', 'off')
      WHEN 'an interval greater than 0' THEN NEW.value::interval > interval '0'
      WHEN 'an interval from 1 millisecond to 7 days'
        THEN NEW.value::interval BETWEEN interval '1 millisecond' AND interval '7 days'
      ELSE NEW.value = 'off' OR NEW.value ~ '^[1-9][0-9]{0,5}$' OR NEW.value = '1000000' END;
  EXCEPTION WHEN data_exception THEN
    is_good := false;
  END;
  IF NOT coalesce(is_good, false) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      format('Invalid value %s for the setting "%s": must be %s', to_json(NEW.value), NEW.name, wanted));
  END IF;
  PERFORM set_config('pgevents.settings_written', 'yes', true);
  RETURN NEW;
END
$$;
