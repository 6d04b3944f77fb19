-- pgevents.check_event(channel, type, expires_at): refuses an event that must not get into the log.
-- Parameters: as in pgevents.log; expires_at may be NULL.
-- Returns:    nothing.
-- Errors:     PT400.
-- Tables:     none.
-- Control characters are refused because both names go into lines of an event stream. The front-ends have a narrower pattern.
CREATE OR REPLACE FUNCTION pgevents.check_event(channel text, type text, expires_at timestamptz) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
  controls constant text := E'[\\u0001-\\u001f\\u007f]';
BEGIN
  IF channel IS NULL OR octet_length(channel) NOT BETWEEN 1 AND 255 OR channel COLLATE "C" ~ controls THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      'Invalid channel name: 1 to 255 bytes, no control characters');
  END IF;
  IF type IS NULL OR octet_length(type) NOT BETWEEN 1 AND 255 OR type COLLATE "C" ~ controls THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid event type: 1 to 255 bytes, no control characters');
  END IF;
  IF starts_with(type, 'pgevents.') THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Event types that start with ''pgevents.'' are reserved');
  END IF;
  IF expires_at IS NOT NULL AND NOT isfinite(expires_at) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid expiry: must be finite, or NULL for none');
  END IF;
END
$$;
