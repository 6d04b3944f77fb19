-- pgevents.presence_legacy(active_at, idle_at, slack): a user's presence in the form that Zulip's older clients read.
-- Parameters: as presence_status().
-- Returns:    {"aggregated":{"client":…,"status":…,"timestamp":…},"website":{…}}
-- Errors:     none.
-- Tables:     none.
-- Without FROM, so that the planner inlines it: an answer has thousands of these.
CREATE OR REPLACE FUNCTION pgevents.presence_legacy(active_at timestamptz, idle_at timestamptz, slack interval)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT '{"aggregated":{"client":"website",' || pgevents.presence_status(active_at, idle_at, slack)
    || '},"website":{"client":"website",' || pgevents.presence_status(active_at, idle_at, slack)
    || ',"pushable":false}}'
$$;
