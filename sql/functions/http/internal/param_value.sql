-- pgevents.param_value(params, name): reads a parameter that is a boolean, a number or a list.
-- Parameters: params: all of the request; a form has only strings, which are parsed as JSON here (`true`, `[8,10]`),
--             while a JSON body has the value itself; name: the parameter's.
-- Returns:    the value; NULL if it is absent, or null in a JSON body.
-- Errors:     PT400.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.param_value(params jsonb, name text) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_typeof(params -> name) IS DISTINCT FROM 'string' THEN
    RETURN nullif(params -> name, 'null');
  END IF;
  BEGIN
    RETURN (params ->> name)::jsonb;
  EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not valid JSON');
  END;
END
$$;
