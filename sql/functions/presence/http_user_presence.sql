-- pgevents.http_user_presence(identity, params): GET /users/{id}/presence.
-- Parameters: identity: {"user":…,"realm":…}; params: user_id: whose presence; slim_presence: as a pair of times.
-- Returns:    {"result":"success","msg":"","presence":{…}}; in the older form aggregated.status may also be offline.
-- Errors:     PT400, PT401.
-- Tables:     presence, users, settings (read).
CREATE OR REPLACE FUNCTION pgevents.http_user_presence(identity jsonb, params jsonb) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  caller  record := pgevents.caller(identity);
  answer  text := pgevents.success(params, '{user_id,slim_presence}');
  slim    boolean := pgevents.param_boolean(params, 'slim_presence');
  target  text := pgevents.param_id(params, 'user_id');
  user_is record := pgevents.directory_user(caller.realm, target);
  threshold interval := pgevents.timing('presence_offline_threshold');
  seen    record;
  status  text;
  overall text;
BEGIN
  IF NOT user_is.is_known THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'No such user');
  ELSIF user_is.is_bot THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Presence is not supported for bot users.');
  END IF;
  SELECT pgevents.presence_active_at(p.active_at, p.idle_at, user_is.joined_at, threshold) AS active_at, p.idle_at
    INTO seen FROM pgevents.presence p WHERE p.realm = caller.realm AND p.user_id = target;
  IF NOT FOUND THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'No presence data for ' || target);
  ELSIF slim THEN
    RETURN pgevents.answer(answer, '"presence":' || pgevents.presence_slim(seen.active_at, seen.idle_at));
  END IF;
  status := pgevents.presence_status(seen.active_at, seen.idle_at, pgevents.presence_slack());
  overall := CASE WHEN pgevents.epoch(clock_timestamp()) - (format('{%s}', status)::json ->> 'timestamp')::bigint
                       > date_part('epoch', threshold)
    THEN regexp_replace(status, '"status":"[a-z]+"', '"status":"offline"') ELSE status END;
  RETURN pgevents.answer(answer, format('"presence":{"aggregated":{%s},"website":{%s}}', overall, status));
END
$$;
