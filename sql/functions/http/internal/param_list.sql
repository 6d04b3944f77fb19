-- pgevents.param_list(params, name): reads a parameter that must be a list.
-- Parameters: as param_value().
-- Returns:    a JSON array; NULL if it is absent, or null in a JSON body.
-- Errors:     PT400.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.param_list(params jsonb, name text) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  value jsonb := pgevents.param_value(params, name);
BEGIN
  IF jsonb_typeof(value) <> 'array' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not a list');
  END IF;
  RETURN value;
END
$$;
