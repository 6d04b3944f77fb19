-- pgevents.http_publish_check(identity, channel, type): rejects events that no client may publish over HTTP. Every way
-- of publishing over HTTP calls it, before the checks that apply to SQL as well.
-- Parameters: identity: the publisher (realm), NULL if anonymous; channel, type: of the event.
-- Returns:    nothing.
-- Errors:     PT400: a type that browsers use themselves; PT403: a channel or type that clients act on.
-- Tables:     those of channel_kind().
-- Pages trust presence, typing and settings that come from the channels in the answer of register.
CREATE OR REPLACE FUNCTION pgevents.http_publish_check(identity jsonb, channel text, type text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
  kind text := pgevents.channel_kind(coalesce(nullif(identity ->> 'realm', ''), 'main'), channel);
BEGIN
  IF type IN ('error', 'open') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', pgevents.type_reserved(type));
  ELSIF kind = 'presence' THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN', 'Nothing can be published over HTTP on a presence channel');
  ELSIF kind IS NOT NULL AND type IN ('presence', 'typing', 'user_settings') THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN',
      format('Events of type ''%s'' cannot be published over HTTP on the channel of a %s', type, kind));
  END IF;
END
$$;
