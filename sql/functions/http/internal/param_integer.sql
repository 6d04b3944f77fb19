-- pgevents.param_integer(params, name): reads a parameter that must be a whole number.
-- Parameters: as param_value().
-- Returns:    bigint, at most 18 digits; NULL if it is absent, or null in a JSON body.
-- Errors:     PT400.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.param_integer(params jsonb, name text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  value jsonb := pgevents.param_value(params, name);
BEGIN
  IF jsonb_typeof(value) <> 'number' OR value::text !~ '^-?[0-9]{1,18}$' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not an integer');
  END IF;
  RETURN value::bigint;
END
$$;
