-- pgevents.channel_name(kind, realm, id): the answer of one of the replaceable channel functions, for made-up names.
-- Parameters: kind: which function: presence, user or stream; realm, id: its arguments.
-- Returns:    its answer; NULL also if it fails, as a function may that looks ids up or takes numbers only.
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
