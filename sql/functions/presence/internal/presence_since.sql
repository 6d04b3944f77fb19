-- pgevents.presence_since(realm, after): what is new in the presence of the visible users of a realm.
-- Parameters: realm: the realm; after: only rows with a greater update id.
-- Returns:    as presence_rows().
-- Errors:     none of its own.
-- Tables:     presence, users, settings (read).
-- Usually reads few rows of many: by the index, and each user by theirs (OFFSET 0). The planner cannot know that, and
-- does not need to plan it at every call.
CREATE OR REPLACE FUNCTION pgevents.presence_since(realm text, after bigint)
RETURNS TABLE (user_id text, update_id bigint, active_at timestamptz, idle_at timestamptz, is_connected boolean)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  threshold interval := pgevents.timing('presence_offline_threshold');
BEGIN
  RETURN QUERY SELECT p.user_id, p.update_id,
         pgevents.presence_active_at(p.active_at, p.idle_at, u.joined_at, threshold), p.idle_at, p.is_connected
    FROM pgevents.presence p CROSS JOIN LATERAL (SELECT u.joined_at FROM pgevents.users u
      WHERE u.realm = p.realm AND u.user_id = p.user_id AND u.is_active AND NOT u.is_bot OFFSET 0) u
   WHERE p.realm = presence_since.realm AND p.update_id > after;
END
$$;
