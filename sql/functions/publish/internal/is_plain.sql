-- pgevents.is_plain(channel, type, expires_at): whether an event passes without a closer look: neither event_fault()
-- nor remark() would object.
-- Parameters: as event_fault().
-- Returns:    true; false or NULL: ask these two.
-- Errors:     none.
-- Tables:     none.
-- Called for every event, and true for most: one regular expression instead of three, one look for reserved names
-- anywhere, and the length of both together. The pattern is the front-ends' default. Without SET and SECURITY DEFINER,
-- so that the planner inlines it.
CREATE OR REPLACE FUNCTION pgevents.is_plain(channel text, type text, expires_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (channel || '/' || type) COLLATE "C" ~ '^[A-Za-z0-9_.:@=+-]+/[A-Za-z0-9_.:@=+-]+$'
    AND octet_length(channel || type) <= 255 AND strpos(channel || type, 'pgevents.') = 0
    AND type NOT IN ('error', 'open') AND isfinite(expires_at) IS NOT FALSE
$$;
