-- pgevents.presence_changes(reports, holder, until, at): the rules of presence: what reports change in the present
-- state.
-- Parameters: reports: a JSON array of {"realm":…,"user":…,"status":"active"|"idle"|absent,"left":true|absent}, in
--             which a user may occur several times; holder: the connection's holder (NULL: the reports do not concern
--             connections; 0: polls), until: the end of that connection's lease (NULL: the holder's); at: the present
--             time.
-- Returns:    a row for each user of the reports, except users who are unknown, inactive or bots and have no connection
--             here. report: all reports on the user, merged; contact_due: whether to write the user's connection;
--             row_due: whether to write the user's row in presence, with is_new and the columns that it gets;
--             times_told, connected_told: whether an event reports the change.
-- Errors:     none.
-- Tables:     users, presence, connections (read).
-- Called twice: without a lock, to find the few users whose state changes, and again when their rows are locked.
-- An event reports that a user is active before subscribers would take the user for idle by the last event, even if the
-- user never ceased to be active. OFFSET 0 makes the planner look each user up by an index: it would take its guess of
-- a hundred reports for a reason to read all users. The plan is the same every time, and planning takes three times as
-- long as running it for one user: hence the generic plan.
CREATE OR REPLACE FUNCTION pgevents.presence_changes(reports jsonb, holder bigint, until timestamptz, at timestamptz)
RETURNS TABLE (realm text, user_id text, report jsonb, contact_due boolean, row_due boolean, is_new boolean,
  active_at timestamptz, idle_at timestamptz, is_connected boolean, times_told boolean, connected_told boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan ROWS 1 AS $$
#variable_conflict use_column
DECLARE
  ping       interval := pgevents.timing('presence_ping_interval');
  -- 55 s and 130 s with the default timings. A time is written once in each ping interval, however many tabs report.
  stale      timestamptz := at - ping * 11 / 12;
  unexpected timestamptz := at - greatest(pgevents.timing('presence_offline_threshold') - ping * 7 / 6, ping * 11 / 12);
BEGIN
  RETURN QUERY
  WITH merged AS (
    SELECT e.value ->> 'realm' AS realm, e.value ->> 'user' AS user_id,
           coalesce(bool_or(e.value ->> 'status' = 'active'), false) AS is_active,
           (array_agg(e.value -> 'left' IS NOT DISTINCT FROM 'true' ORDER BY e.ordinality DESC))[1] AS is_leaving
      FROM jsonb_array_elements(reports) WITH ORDINALITY e
     GROUP BY 1, 2
  ), ruled AS (
    SELECT s.*, u.is_visible, coalesce(u.is_visible AND u.presence_enabled, false) AND NOT s.is_leaving AS counts,
           coalesce(p.update_id, 0) = 0 AS is_new, p.active_at, p.active_told_at, p.idle_at,
           coalesce(p.is_connected, false) AS was_connected, c.is_there, c.until,
           s.is_active AND coalesce(p.active_at < stale, true) AS active_due,
           coalesce(p.idle_at < stale, true) AS idle_due
      FROM merged s
      LEFT JOIN LATERAL (SELECT true AS is_visible, u.presence_enabled FROM pgevents.users u
         WHERE u.realm = s.realm AND u.user_id = s.user_id AND u.is_active AND NOT u.is_bot OFFSET 0) u ON true
      LEFT JOIN LATERAL (SELECT * FROM pgevents.presence p
         WHERE p.realm = s.realm AND p.user_id = s.user_id OFFSET 0) p ON true
      LEFT JOIN LATERAL (SELECT c.left_at IS NULL AS is_there, c.until FROM pgevents.connections c
         WHERE c.realm = s.realm AND c.user_id = s.user_id AND c.holder = presence_changes.holder OFFSET 0) c ON true
  )
  SELECT r.realm, r.user_id,
         jsonb_build_object('realm', r.realm, 'user', r.user_id,
                            'status', CASE WHEN r.is_active THEN 'active' ELSE 'idle' END, 'left', r.is_leaving),
         presence_changes.holder IS NOT NULL AND CASE WHEN r.is_leaving THEN coalesce(r.is_there, false)
           ELSE r.is_visible
             AND NOT (coalesce(r.is_there, false) AND coalesce(r.until >= presence_changes.until, true)) END,
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
