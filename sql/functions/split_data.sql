-- pgevents.split_data(data): takes apart what publishers write, {"type": T, "data": D}.
-- Parameters: data: that object; D may be absent, other members are ignored.
-- Returns:    type: T as text; inner_data: D verbatim, null when absent.
-- Errors:     PT400 when data is no object with a string "type", or the type cannot be text (\u0000, half a surrogate pair).
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.split_data(data json, OUT type text, OUT inner_data json)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  type_json json := pgevents.json_member(data, 'type');
BEGIN
  IF json_typeof(type_json) IS DISTINCT FROM 'string' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      'Invalid event data: must be a JSON object with a string member "type"');
  END IF;
  inner_data := coalesce(pgevents.json_member(data, 'data'), 'null');
  IF strpos(type_json::text, E'\\u') = 0 THEN
    type := type_json #>> '{}';
    RETURN;
  END IF;
  -- Only here, because a block with a handler costs a subtransaction.
  BEGIN
    type := type_json #>> '{}';
  EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid event type: contains an escape that is no character');
  END;
END
$$;
