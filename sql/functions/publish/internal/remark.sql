-- pgevents.remark(channel, type, expires_at): rejects an event that must not be published, and warns the application of
-- one that pages cannot use.
-- Parameters: of an event for which is_plain() is not true.
-- Returns:    nothing.
-- Errors:     PT400: event_fault(); as complain(), for a type that an EventSource dispatches itself.
-- Tables:     settings (read).
-- One notice for a channel, not one for each event: the operator may have set a wider pattern, and a loop may publish
-- many events.
CREATE OR REPLACE FUNCTION pgevents.remark(channel text, type text, expires_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  fault text := pgevents.event_fault(channel, type, expires_at);
BEGIN
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', fault);
  END IF;
  IF type IN ('error', 'open') THEN
    PERFORM pgevents.complain('reserved_types', pgevents.type_reserved(type));
  END IF;
  IF channel COLLATE "C" !~ '^[A-Za-z0-9_.:@=+-]+$'
     AND current_setting('pgevents.noticed_channel', true) IS DISTINCT FROM channel THEN
    PERFORM set_config('pgevents.noticed_channel', channel, false);
    RAISE NOTICE USING
      MESSAGE = format('Clients cannot subscribe to channel %s: the front-ends'' default pattern rejects the name',
                       to_json(channel)),
      HINT = 'Use letters, digits and _.:@=+- only, or set a wider pattern (directive pgevents_channel_pattern).';
  END IF;
END
$$;
