-- pgevents.param_id(params, name): reads a parameter that identifies something: text, or a number in a JSON body.
-- Parameters: params: all of the request; name: the parameter's.
-- Returns:    text; NULL if it is absent, or null in a JSON body.
-- Errors:     PT400.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.param_id(params jsonb, name text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  IF jsonb_typeof(params -> name) NOT IN ('string', 'number', 'null') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', name || ' is not a string');
  END IF;
  RETURN params ->> name;
END
$$;
