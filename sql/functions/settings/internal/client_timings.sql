-- pgevents.client_timings(): the timings for clients.
-- Parameters: none.
-- Returns:    members for answer(), with the names that Zulip's clients know.
-- Errors:     as timing().
-- Tables:     settings (read).
CREATE OR REPLACE FUNCTION pgevents.client_timings() RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT pgevents.json_members(row_to_json(t)) FROM (SELECT
    pgevents.timing_ms('typing_started_expiry') AS server_typing_started_expiry_period_milliseconds,
    pgevents.timing_ms('typing_started_wait') AS server_typing_started_wait_period_milliseconds,
    pgevents.timing_ms('typing_stopped_wait') AS server_typing_stopped_wait_period_milliseconds,
    pgevents.timing_seconds('presence_ping_interval') AS server_presence_ping_interval_seconds,
    pgevents.timing_seconds('presence_offline_threshold') AS server_presence_offline_threshold_seconds) t
$$;
