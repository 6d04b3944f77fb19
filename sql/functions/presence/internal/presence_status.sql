-- pgevents.presence_status(active_at, idle_at, slack): a user's presence as one status, for Zulip's older clients.
-- Parameters: active_at: as presence_active_at() returns it; idle_at: as in presence; slack: as presence_slack().
-- Returns:    "status":…,"timestamp":…, members of an object: active and since when, or idle and since when.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.presence_status(active_at timestamptz, idle_at timestamptz, slack interval)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN active_at + slack >= idle_at THEN '"status":"active","timestamp":' || pgevents.epoch(active_at)
              ELSE '"status":"idle","timestamp":' || pgevents.epoch(idle_at) END
$$;
