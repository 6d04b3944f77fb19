-- pgevents.presence_rows(realm, since): the presence of all visible users of a realm.
-- Parameters: realm: the realm; since: only users in contact since then.
-- Returns:    rows as in presence; active_at in the form that clients get.
-- Errors:     none of its own.
-- Tables:     presence, users, settings (read).
CREATE OR REPLACE FUNCTION pgevents.presence_rows(realm text, since timestamptz)
RETURNS TABLE (user_id text, update_id bigint, active_at timestamptz, idle_at timestamptz, is_connected boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
  threshold interval := pgevents.timing('presence_offline_threshold');
BEGIN
  RETURN QUERY SELECT p.user_id, p.update_id,
         pgevents.presence_active_at(p.active_at, p.idle_at, u.joined_at, threshold), p.idle_at, p.is_connected
    FROM pgevents.presence p JOIN pgevents.users u ON u.realm = p.realm AND u.user_id = p.user_id
   WHERE p.realm = presence_rows.realm AND p.idle_at >= since AND u.is_active AND NOT u.is_bot;
END
$$;
