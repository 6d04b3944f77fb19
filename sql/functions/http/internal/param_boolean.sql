-- pgevents.param_boolean(params, name): reads a parameter that must be true or false, not something similar.
-- Parameters: as param_value().
-- Returns:    boolean; NULL if it is absent, or null in a JSON body.
-- Errors:     PT400.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.param_boolean(params jsonb, name text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  value jsonb := pgevents.param_value(params, name);
BEGIN
  IF jsonb_typeof(value) <> 'boolean' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not a boolean');
  END IF;
  RETURN value::boolean;
END
$$;
