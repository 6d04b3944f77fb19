-- pgevents.event_fault(channel, type, expires_at): why an event must not get into the log.
-- Parameters: as in pgevents.log; expires_at may be NULL.
-- Returns:    what is wrong with it, for people; NULL: nothing.
-- Errors:     none.
-- Tables:     none.
-- Control characters are rejected because both names are written into lines of an event stream. The front-ends have a
-- narrower pattern. Front-ends act on events in reserved channels and of reserved types: only pgevents' own functions
-- may write these. The front-ends read times as numbers, so an infinite expiry is rejected. Without SET and SECURITY
-- DEFINER, so that the planner inlines it.
CREATE OR REPLACE FUNCTION pgevents.event_fault(channel text, type text, expires_at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN NOT pgevents.name_is_sane(channel) THEN 'Invalid channel name: 1 to 255 bytes, no control characters'
    WHEN NOT pgevents.name_is_sane(type) THEN 'Invalid event type: 1 to 255 bytes, no control characters'
    WHEN starts_with(channel, 'pgevents.') THEN 'Channels that start with ''pgevents.'' are reserved'
    WHEN starts_with(type, 'pgevents.') THEN 'Event types that start with ''pgevents.'' are reserved'
    WHEN NOT isfinite(expires_at) THEN 'Invalid expiry: must be finite, or NULL for none'
  END
$$;
