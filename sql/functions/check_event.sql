-- pgevents.check_event(channel, type, expires_at): refuses an event that must not get into the log.
-- Parameters: as in pgevents.log; expires_at may be NULL.
-- Returns:    nothing.
-- Errors:     PT400.
-- Tables:     none.
-- Control characters are refused because both names go into lines of an event stream. The front-ends have a narrower pattern.
CREATE OR REPLACE FUNCTION pgevents.check_event(channel text, type text, expires_at timestamptz) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF NOT pgevents.name_is_sane(channel) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      'Invalid channel name: 1 to 255 bytes, no control characters');
  END IF;
  IF NOT pgevents.name_is_sane(type) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid event type: 1 to 255 bytes, no control characters');
  END IF;
  -- Front-ends act on what they read there: only pgevents' own functions may write it.
  IF starts_with(channel, 'pgevents.') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Channels that start with ''pgevents.'' are reserved');
  END IF;
  IF starts_with(type, 'pgevents.') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Event types that start with ''pgevents.'' are reserved');
  END IF;
  IF expires_at IS NOT NULL AND NOT isfinite(expires_at) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid expiry: must be finite, or NULL for none');
  END IF;
END
$$;
