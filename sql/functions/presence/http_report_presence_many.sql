-- pgevents.http_report_presence_many(requests): does several http_report_presence() in one transaction, for a server
-- with many users.
-- Parameters: requests: [{"identity":…,"params":…},…]
-- Returns:    a row for each request, in their order: answer; or, if the request was rejected, state (SQLSTATE),
--             message and detail as the error would have had them. A rejected request does not affect the others.
-- Errors:     none of its own.
-- Tables:     as http_report_presence().
CREATE OR REPLACE FUNCTION pgevents.http_report_presence_many(requests jsonb)
RETURNS TABLE (answer json, state text, message text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  request  jsonb;
  outcomes jsonb[] := '{}';
BEGIN
  FOR request IN SELECT e.value FROM jsonb_array_elements(requests) WITH ORDINALITY e ORDER BY e.ordinality LOOP
    BEGIN
      outcomes := outcomes || pgevents.presence_request(request -> 'identity', request -> 'params');
    EXCEPTION WHEN SQLSTATE 'PT400' OR SQLSTATE 'PT401' THEN
      GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
      outcomes := outcomes || jsonb_build_object('state', SQLSTATE, 'message', message, 'detail', detail);
    END;
  END LOOP;
  PERFORM pgevents.presence_report((
    SELECT jsonb_agg(jsonb_build_object('realm', o -> 'realm', 'user', o -> 'user', 'status', o -> 'status'))
      FROM unnest(outcomes) o WHERE o ? 'user'));
  FOREACH request IN ARRAY outcomes LOOP
    answer := CASE WHEN request ? 'user' THEN pgevents.presence_answer(request) END;
    state := request ->> 'state';
    message := request ->> 'message';
    detail := request ->> 'detail';
    RETURN NEXT;
  END LOOP;
END
$$;
