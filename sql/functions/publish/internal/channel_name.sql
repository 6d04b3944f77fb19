-- pgevents.channel_name(kind, realm, id): what one of the functions that an application may replace says to made-up names.
-- Parameters: kind: presence, user or stream: which function; realm, id: what it is asked.
-- Returns:    its answer; NULL also where it fails, as one may that looks ids up, or takes numbers only.
-- Errors:     none.
-- Tables:     those of the application's function.
CREATE OR REPLACE FUNCTION pgevents.channel_name(kind text, realm text, id text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN CASE kind
    WHEN 'presence' THEN pgevents.presence_channel(realm)
    WHEN 'user' THEN pgevents.user_channel(realm, id)
    ELSE pgevents.stream_channel(id) END;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;
