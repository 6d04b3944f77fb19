-- pgevents.presence_slim(active_at, idle_at): a user's presence as a pair of times.
-- Parameters: active_at: as presence_active_at() returns it; idle_at: as in presence.
-- Returns:    {"active_timestamp":…,"idle_timestamp":…}, without spaces: an answer has thousands of these.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.presence_slim(active_at timestamptz, idle_at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT '{"active_timestamp":' || pgevents.epoch(active_at) || ',"idle_timestamp":' || pgevents.epoch(idle_at) || '}'
$$;
