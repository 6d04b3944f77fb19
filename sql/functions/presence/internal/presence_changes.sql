-- pgevents.presence_changes(reports, holder, until, at): the rules of presence: what reports change, as things stand.
-- Parameters: reports: a JSON array of {"realm":…,"user":…,"status":"active"|"idle"|absent,"left":true|absent}, in which a user
--             may occur several times; holder: through which connection (NULL: the reports are not about connections; 0: polls),
--             until: the end of that connection's lease (NULL: the holder's); at: the present time.
-- Returns:    a row for each user of the reports, except those who are unknown, inactive or bots and have no connection here.
--             report: all that was said of him, in one; contact_due: whether his connection is to be written; row_due: whether
--             his row in presence is, with is_new and the columns that it gets; times_told, connected_told: whether by an event.
-- Errors:     none.
-- Tables:     users, presence, connections (read).
-- Called twice: without a lock, to find those few with whom there is something to do, and again when their rows are locked.
-- That a user is active is told before those who were told of it last take him for idle, also when he never ceased to be.
-- OFFSET 0 has each user looked up by an index: the planner would take a hundred reports, its guess, for a reason to read all users.
-- It is the same plan every time, and to make it takes three times as long as to run it for one user: hence the generic one.
CREATE OR REPLACE FUNCTION pgevents.presence_changes(reports jsonb, holder bigint, until timestamptz, at timestamptz)
RETURNS TABLE (realm text, user_id text, report jsonb, contact_due boolean, row_due boolean, is_new boolean,
  active_at timestamptz, idle_at timestamptz, is_connected boolean, times_told boolean, connected_told boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan ROWS 1 AS $$
#variable_conflict use_column
DECLARE
  ping       interval := pgevents.timing('presence_ping_interval');
  -- 55 s and 130 s with the usual timings. A time is written once a ping interval, however many tabs report.
  stale      timestamptz := at - ping * 11 / 12;
  unexpected timestamptz := at - greatest(pgevents.timing('presence_offline_threshold') - ping * 7 / 6, ping * 11 / 12);
BEGIN
  RETURN QUERY
  WITH said AS (
    SELECT e.value ->> 'realm' AS realm, e.value ->> 'user' AS user_id, coalesce(bool_or(e.value ->> 'status' = 'active'), false) AS is_active,
           (array_agg(e.value -> 'left' IS NOT DISTINCT FROM 'true' ORDER BY e.ordinality DESC))[1] AS is_leaving
      FROM jsonb_array_elements(reports) WITH ORDINALITY e
     GROUP BY 1, 2
  ), ruled AS (
    SELECT s.*, u.is_visible, coalesce(u.is_visible AND u.presence_enabled, false) AND NOT s.is_leaving AS counts,
           coalesce(p.update_id, 0) = 0 AS is_new, p.active_at, p.active_told_at, p.idle_at, coalesce(p.is_connected, false) AS was_connected,
           c.is_there, c.until, s.is_active AND coalesce(p.active_at < stale, true) AS active_due, coalesce(p.idle_at < stale, true) AS idle_due
      FROM said s
      LEFT JOIN LATERAL (SELECT true AS is_visible, u.presence_enabled FROM pgevents.users u
         WHERE u.realm = s.realm AND u.user_id = s.user_id AND u.is_active AND NOT u.is_bot OFFSET 0) u ON true
      LEFT JOIN LATERAL (SELECT * FROM pgevents.presence p WHERE p.realm = s.realm AND p.user_id = s.user_id OFFSET 0) p ON true
      LEFT JOIN LATERAL (SELECT c.left_at IS NULL AS is_there, c.until FROM pgevents.connections c
         WHERE c.realm = s.realm AND c.user_id = s.user_id AND c.holder = presence_changes.holder OFFSET 0) c ON true
  )
  SELECT r.realm, r.user_id,
         jsonb_build_object('realm', r.realm, 'user', r.user_id, 'status', CASE WHEN r.is_active THEN 'active' ELSE 'idle' END,
                            'left', r.is_leaving),
         presence_changes.holder IS NOT NULL AND CASE WHEN r.is_leaving THEN coalesce(r.is_there, false)
           ELSE r.is_visible AND NOT (coalesce(r.is_there, false) AND coalesce(r.until >= presence_changes.until, true)) END,
         r.counts AND (r.active_due OR r.idle_due OR (presence_changes.holder IS NOT NULL AND NOT r.was_connected)),
         r.is_new,
         CASE WHEN r.active_due THEN at ELSE r.active_at END,
         CASE WHEN r.idle_due THEN at WHEN r.active_due THEN greatest(r.idle_at, at) ELSE r.idle_at END,
         r.was_connected OR presence_changes.holder IS NOT NULL,
         r.is_new OR (r.active_due AND (r.active_at IS NULL OR least(r.active_at, r.active_told_at) < unexpected)),
         presence_changes.holder IS NOT NULL AND NOT r.was_connected
    FROM ruled r
   WHERE r.is_visible OR r.is_there;
END
$$;
