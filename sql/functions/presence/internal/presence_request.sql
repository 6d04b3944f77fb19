-- pgevents.presence_request(identity, params): reads and checks a report over HTTP without changing anything.
-- Parameters: identity, params: as http_report_presence().
-- Returns:    {"realm","user","status"} for presence_report(); "ping_only","slim","after","days","share" for
--             presence_answer(), and "answer": the first members of the answer.
-- Errors:     PT400, PT401.
-- Tables:     users (read).
CREATE OR REPLACE FUNCTION pgevents.presence_request(identity jsonb, params jsonb) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
  caller record := pgevents.caller(identity);
  answer text := pgevents.success(params,
    '{status,ping_only,new_user_input,slim_presence,last_update_id,history_limit_days}');
  status text := pgevents.param_text(params, 'status');
  ping_only boolean;
  slim boolean;
  after bigint;
  days bigint;
BEGIN
  IF status IS NULL THEN
    PERFORM pgevents.param_missing('status');
  END IF;
  ping_only := pgevents.param_boolean(params, 'ping_only');
  PERFORM pgevents.param_boolean(params, 'new_user_input');
  slim := pgevents.param_boolean(params, 'slim_presence');
  after := pgevents.param_integer(params, 'last_update_id');
  days := pgevents.param_integer(params, 'history_limit_days');
  IF status NOT IN ('active', 'idle') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid status: ' || left(status, 100));
  END IF;
  IF caller.is_bot THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Presence is not supported for bot users.');
  END IF;
  RETURN jsonb_build_object('realm', caller.realm, 'user', caller.user_id, 'status', status, 'ping_only', ping_only,
    'slim', coalesce(slim, false) OR after IS NOT NULL, 'after', after, 'days', days,
    'share', identity -> 'share_state', 'answer', answer);
END
$$;
