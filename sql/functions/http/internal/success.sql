-- pgevents.success(params, known): the first members of a successful answer, with the names of unknown parameters.
-- Parameters: params: all of the request (NULL: none); known: the parameters that the function knows.
-- Returns:    "result":"success","msg":"", for answer(), with the names of all other parameters as
--             "ignored_parameters_unsupported" if there are any.
-- Errors:     PT400 if params is not a JSON object.
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
