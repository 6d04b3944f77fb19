-- pgevents.complain(setting, message): rejects what an application publishes, or only warns of it, as the operator has
-- chosen.
-- Parameters: setting: reserved_types or unknown_members; message: what is wrong.
-- Returns:    nothing, after a WARNING, if the setting is "warning".
-- Errors:     PT400 if the setting is anything else, or has no row.
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.complain(setting text, message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT s.value FROM pgevents.settings s WHERE s.name = setting) = 'warning' THEN
    RAISE WARNING USING MESSAGE = complain.message,
      HINT = format('This becomes an error when the setting "%s" of pgevents.settings is "error".', setting);
  ELSE
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', complain.message);
  END IF;
END
$$;
