-- pgevents.remark(channel, type, expires_at): refuses an event that must not be published, and tells an application of one that pages
-- cannot use.
-- Parameters: of an event for which is_plain() is not true.
-- Returns:    nothing.
-- Errors:     PT400: event_fault(); as complain(), for a type that an EventSource dispatches itself.
-- Tables:     settings (read).
-- One notice for a channel, not one for each event: an operator may have a wider pattern, and loops publish many.
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
    RAISE NOTICE USING MESSAGE = format('Nobody can subscribe to channel %s unless the front-ends have a wider pattern', to_json(channel)),
      HINT = 'By default a channel has letters, digits and _.:@=+- only (directive pgevents_channel_pattern).';
  END IF;
END
$$;
