-- pgevents.http_register(identity, params): POST /register: what a page needs to start, without a race.
-- Parameters: identity: {"user":…,"realm":…}; params: fetch_event_types: a list of the kinds of state that the page
--             wants (presence, user_settings; absent: all).
-- Returns:    {"result":"success","msg":"","last_event_id":…,"channels":[…],"user_channel":…,"presence_channel":…,
--             "stream_channel":…,"server_timestamp":…}, presence_part() with the list of connected users,
--             user_settings, and the timings for clients. A client takes settings, presence and typing from these three
--             channels only; in stream_channel {stream_id} stands for a stream's id; null where stream_channel() makes
--             no such name.
-- Errors:     PT400, PT401.
-- Tables:     log, history, presence, users, settings (read).
-- Reads the cursor first and then the state, each in a statement of its own: under READ COMMITTED, everything that the
-- state lacks comes after the cursor.
CREATE OR REPLACE FUNCTION pgevents.http_register(identity jsonb, params jsonb) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  last_event_id bigint := pgevents.head();
  caller record := pgevents.caller(identity);
  answer text := pgevents.success(params, '{fetch_event_types}');
  wanted jsonb := pgevents.param_list(params, 'fetch_event_types');
  wrong  int := (SELECT min(e.ordinality) - 1 FROM jsonb_array_elements(wanted) WITH ORDINALITY e
                  WHERE jsonb_typeof(e.value) <> 'string');
  state  text;
BEGIN
  IF wrong IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', format('fetch_event_types[%s] is not a string', wrong));
  END IF;
  IF coalesce(wanted ? 'presence', true) THEN
    state := pgevents.presence_part(identity -> 'share_state', caller.realm, NULL, NULL, true, true);
  ELSE
    state := '"server_timestamp":' || to_json(pgevents.server_timestamp());
  END IF;
  RETURN pgevents.answer(answer,
    (SELECT pgevents.json_members(row_to_json(b)) FROM (SELECT last_event_id::text,
       array_remove(ARRAY[c.user_channel, c.presence_channel], NULL) AS channels, c.user_channel, c.presence_channel,
       CASE WHEN length(c.stream) = length(replace(c.stream, '{stream_id}', '')) + 11
            THEN c.stream END AS stream_channel
         FROM (SELECT pgevents.user_channel(caller.realm, caller.user_id) AS user_channel,
                 pgevents.presence_channel(caller.realm) AS presence_channel,
                 pgevents.channel_name('stream', NULL, '{stream_id}') AS stream) c) b),
    state,
    CASE WHEN coalesce(wanted ? 'user_settings', true) THEN '"user_settings":' || (SELECT row_to_json(f) FROM (SELECT
      caller.presence_enabled, caller.send_private_typing_notifications, caller.send_stream_typing_notifications,
      caller.receives_typing_notifications) f) END,
    pgevents.client_timings());
END
$$;
