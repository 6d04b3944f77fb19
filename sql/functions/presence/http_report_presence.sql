-- pgevents.http_report_presence(identity, params): POST /users/me/presence; one call in each transaction.
-- Parameters: identity: {"user":…,"realm":…}; params: status, ping_only, new_user_input, slim_presence, last_update_id,
--             history_limit_days, from a form (strings) or a JSON body.
-- Returns:    {"result":"success","msg":""}, and without ping_only presence_state().
-- Errors:     PT400, PT401.
-- Tables:     presence (insert, update), users, settings (read), presence_realms (update), staging (insert).
CREATE OR REPLACE FUNCTION pgevents.http_report_presence(identity jsonb, params jsonb) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  request jsonb := pgevents.presence_request(identity, params);
BEGIN
  PERFORM pgevents.presence_report(jsonb_build_array(
    jsonb_build_object('realm', request -> 'realm', 'user', request -> 'user', 'status', request -> 'status')));
  RETURN pgevents.presence_answer(request);
END
$$;
