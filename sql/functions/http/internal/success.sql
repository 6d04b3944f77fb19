-- pgevents.success(params, known): how a good answer begins, which says what of the request was not understood.
-- Parameters: params: all of the request (NULL: none); known: the parameters that there are.
-- Returns:    "result":"success","msg":"", for answer(), with the names of the others as "ignored_parameters_unsupported" if
--             there are any.
-- Errors:     PT400 when params is no JSON object.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.success(params jsonb, known text[]) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  ignored text[];
BEGIN
  IF jsonb_typeof(params) <> 'object' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'The parameters must be a JSON object');
  END IF;
  SELECT array_agg(k.name ORDER BY k.name COLLATE "C") INTO ignored FROM jsonb_object_keys(params - known) k (name);
  RETURN '"result":"success","msg":""' || coalesce(',"ignored_parameters_unsupported":' || to_json(ignored)::text, '');
END
$$;
