-- pgevents.http_realm_presence(identity, params): GET /realm/presence.
-- Parameters: identity: {"user":…,"realm":…}; params: none are known.
-- Returns:    {"result":"success","msg":""} and presence_part() of the last 14 days, in the older form.
-- Errors:     PT400, PT401.
-- Tables:     presence, users, settings (read).
CREATE OR REPLACE FUNCTION pgevents.http_realm_presence(identity jsonb, params jsonb) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  caller record := pgevents.caller(identity);
BEGIN
  RETURN pgevents.answer(pgevents.success(params, '{}'),
    pgevents.presence_part(identity -> 'share_state', caller.realm, NULL, NULL, false));
END
$$;
