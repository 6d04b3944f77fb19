-- pgevents.presence_active_at(active_at, idle_at, joined_at, threshold): when a user was active last, as clients are told it.
-- Parameters: active_at, idle_at: as in presence; joined_at: as in users; threshold: the setting presence_offline_threshold.
-- Returns:    active_at; for one who has only been idle, the day he joined, as Zulip has it: a time in any case, but none that
--             would make him look active.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.presence_active_at(active_at timestamptz, idle_at timestamptz, joined_at timestamptz,
  threshold interval) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(active_at, least(joined_at, idle_at - threshold))
$$;
