-- pgevents.param_missing(name): rejects a request that lacks a parameter.
-- Parameters: name: the parameter's.
-- Returns:    never.
-- Errors:     PT400, code REQUEST_VARIABLE_MISSING, with var_name.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.param_missing(name text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING
    ERRCODE = 'PT400',
    MESSAGE = format('Missing ''%s'' argument', name),
    DETAIL = jsonb_build_object('code', 'REQUEST_VARIABLE_MISSING', 'var_name', name)::text;
END
$$;
