-- pgevents.split_data(data, known): takes apart what publishers write, {"type": T, "data": D}.
-- Parameters: data: that object; D may be absent; known: the members that it may have; if "ttl" is one, it is returned.
-- Returns:    type: T as text; inner_data: D verbatim, null if absent; ttl: its value, NULL if absent; unknown:
--             json_unknown_member().
-- Errors:     PT400 if data is not an object with a string "type", or the type cannot be text (\u0000, half a surrogate
--             pair).
-- Tables:     none.
-- Listing the names costs as much as all the rest. So they are listed only if the text is longer than type and data by
-- what another member would take, that is `,"":1`, which is no longer than the spaces of json_build_object().
CREATE OR REPLACE FUNCTION pgevents.split_data(data json, known text[],
  OUT type text, OUT inner_data json, OUT ttl json, OUT unknown text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  stand_in  text;
  type_json json;
  excess    int;
BEGIN
  IF strpos(data::text, E'\\u') > 0 THEN
    SELECT h.harmless, h.stand_in INTO data, stand_in FROM pgevents.json_harmless(data) h;
  END IF;
  type_json := data -> 'type';
  IF json_typeof(type_json) IS DISTINCT FROM 'string' THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      'Invalid event data: must be a JSON object with a string member "type"');
  END IF;
  inner_data := data -> 'data';
  excess := octet_length(data::text) - 9 - octet_length(type_json::text)
    - coalesce(8 + octet_length(inner_data::text), 0);
  IF excess > 5 OR (excess = 5 AND strpos(data::text, '"":') > 0) THEN
    unknown := pgevents.json_unknown_member(data, known);
    ttl := CASE WHEN 'ttl' = ANY (known) THEN data -> 'ttl' END;
  END IF;
  inner_data := coalesce(inner_data, 'null');
  IF stand_in IS NULL AND strpos(type_json::text, E'\\u') = 0 THEN
    type := type_json #>> '{}';
    RETURN;
  ELSIF stand_in IS NOT NULL THEN
    inner_data := replace(inner_data::text, stand_in, E'\\u');
    type_json := replace(type_json::text, stand_in, E'\\u');
    unknown := replace(unknown, substr(stand_in, 2), E'\\u');
  END IF;
  IF strpos(type_json::text, E'\\u') = 0 THEN
    type := type_json #>> '{}';
    RETURN;
  END IF;
  -- Only types with an escape get here, because a block with a handler costs a subtransaction.
  BEGIN
    type := type_json #>> '{}';
  EXCEPTION WHEN untranslatable_character OR invalid_text_representation THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid event type: contains an escape that is no character');
  END;
END
$$;
