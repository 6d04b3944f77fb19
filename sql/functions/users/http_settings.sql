-- pgevents.http_settings(identity, params): PATCH /settings: what a user chooses for themselves; one call in each
-- transaction.
-- Parameters: identity: {"user":…,"realm":…}; params: the four flags of users, any of them, booleans.
-- Returns:    {"result":"success","msg":""}
-- Errors:     PT400, PT401.
-- Tables:     users (update, through change_settings()), presence (insert, update), presence_realms (update), staging
--             (insert).
-- Requests of one user run one at a time, from before the flags are read: turning presence on and off must not cross.
-- The user's other pages get an event user_settings with the flags of the request, because the state from their
-- registration is outdated.
CREATE OR REPLACE FUNCTION pgevents.http_settings(identity jsonb, params jsonb) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  flags   constant text[] := '{presence_enabled,send_private_typing_notifications,send_stream_typing_notifications,receives_typing_notifications}';
  caller  record;
  answer  text;
  changes json;
BEGIN
  PERFORM pg_advisory_xact_lock(1885824377, hashtext(identity ->> 'user'));  -- lock "user settings"
  caller := pgevents.caller(identity);
  answer := pgevents.success(params, flags);
  SELECT json_strip_nulls(row_to_json(f)) INTO changes FROM (SELECT
    pgevents.param_boolean(params, 'presence_enabled') AS presence_enabled,
    pgevents.param_boolean(params, 'send_private_typing_notifications') AS send_private_typing_notifications,
    pgevents.param_boolean(params, 'send_stream_typing_notifications') AS send_stream_typing_notifications,
    pgevents.param_boolean(params, 'receives_typing_notifications') AS receives_typing_notifications) f;
  IF changes::text = '{}' THEN
    RETURN pgevents.answer(answer);
  END IF;
  PERFORM pgevents.change_settings(caller.realm, caller.user_id, changes::jsonb);
  PERFORM pgevents.stage(pgevents.user_channel(caller.realm, caller.user_id), 'user_settings', changes);
  IF changes ->> 'presence_enabled' IS NOT NULL AND NOT caller.is_bot THEN
    PERFORM pgevents.presence_switch(caller.realm, caller.user_id, (changes ->> 'presence_enabled')::boolean,
                                     caller.presence_enabled);
  END IF;
  RETURN pgevents.answer(answer);
END
$$;
