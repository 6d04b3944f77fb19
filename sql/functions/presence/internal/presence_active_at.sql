-- pgevents.presence_active_at(active_at, idle_at, joined_at, threshold): when a user was last active, in the form that
-- clients get.
-- Parameters: active_at, idle_at: as in presence; joined_at: as in users; threshold: the setting
--             presence_offline_threshold.
-- Returns:    active_at; for a user who has only been idle, the day they joined, as Zulip has it: always a time, but
--             never one that would make the user look active.
-- Errors:     none.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.presence_active_at(active_at timestamptz, idle_at timestamptz,
  joined_at timestamptz, threshold interval) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(active_at, least(joined_at, idle_at - threshold))
$$;
