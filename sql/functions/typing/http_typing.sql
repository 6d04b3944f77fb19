-- pgevents.http_typing(identity, params): POST /typing; one call in each transaction. Nothing is kept except the
-- events.
-- Parameters: identity: {"user":…,"realm":…}; params: op: start or stop; type: direct, stream or channel; to: a list of
--             user ids (direct); stream_id, topic (the others).
-- Returns:    {"result":"success","msg":""}
-- Errors:     PT400, PT401, PT429.
-- Tables:     users, streams, stream_members, settings (read), staging, typing_counts (insert).
CREATE OR REPLACE FUNCTION pgevents.http_typing(identity jsonb, params jsonb) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  caller record := pgevents.caller(identity);
  answer text := pgevents.success(params, '{op,type,to,stream_id,topic}');
  op     text := pgevents.param_text(params, 'op');
  type   text := coalesce(pgevents.param_text(params, 'type'), 'direct');
  people jsonb;
  stream text;
  topic  text;
BEGIN
  IF op IS NULL THEN
    PERFORM pgevents.param_missing('op');
  ELSIF op NOT IN ('start', 'stop') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid op');
  ELSIF type NOT IN ('direct', 'stream', 'channel') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid type');
  END IF;
  people := pgevents.param_list(params, 'to');
  stream := pgevents.param_id(params, 'stream_id');
  topic := pgevents.param_text(params, 'topic');
  IF type = 'direct' THEN
    PERFORM pgevents.typing_direct(caller.realm, caller.user_id, caller.send_private_typing_notifications, op, people);
  ELSE
    PERFORM pgevents.typing_stream(caller.realm, caller.user_id, caller.send_stream_typing_notifications, op, stream,
                                   topic);
  END IF;
  RETURN pgevents.answer(answer);
END
$$;
