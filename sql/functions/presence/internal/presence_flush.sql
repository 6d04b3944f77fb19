-- pgevents.presence_flush(realm): publishes what has changed in a realm since the last flush, in one event of each
-- type.
-- Parameters: realm: its lock is held by the transaction, and presence_realms has its row.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     presence_realms (update), presence, users (read), staging (insert).
-- An event reports the state, not what happened, so nothing can arrive out of order. Under the lock "realm" everything
-- with a smaller update id has been committed, and the event gets its id before the lock is released; later changes
-- have a greater update id and go into a later event. The list of disconnected users includes users who are no longer
-- visible: clients must not keep a user who was deactivated.
CREATE OR REPLACE FUNCTION pgevents.presence_flush(realm text) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  channel text := pgevents.presence_channel(realm);
  told    bigint := (SELECT r.flushed_id FROM pgevents.presence_realms r WHERE r.realm = presence_flush.realm);
  news    record;
  threshold interval := pgevents.timing('presence_offline_threshold');
  stamp   text := to_json(pgevents.server_timestamp())::text;
BEGIN
  SELECT max(p.update_id) AS last_id,
         string_agg(slim.pair, ',' ORDER BY p.update_id) FILTER (WHERE p.times_id > told) AS times,
         string_agg(to_json(p.user_id)::text, ',' ORDER BY p.connected_id)
           FILTER (WHERE p.connected_id > told AND p.is_connected AND u.is_visible) AS connected,
         string_agg(to_json(p.user_id)::text, ',' ORDER BY p.connected_id)
           FILTER (WHERE p.connected_id > told AND NOT p.is_connected) AS disconnected,
         string_agg(slim.pair, ',' ORDER BY p.connected_id)
           FILTER (WHERE p.connected_id > told AND NOT p.is_connected) AS last_seen
    INTO news
    FROM pgevents.presence p
    LEFT JOIN LATERAL (SELECT true AS is_visible, u.joined_at FROM pgevents.users u
       WHERE greatest(p.times_id, p.connected_id) > told
         AND u.realm = p.realm AND u.user_id = p.user_id AND u.is_active AND NOT u.is_bot OFFSET 0) u ON true
    LEFT JOIN LATERAL (SELECT to_json(p.user_id)::text || ':' || pgevents.presence_slim(
       pgevents.presence_active_at(p.active_at, p.idle_at, u.joined_at, threshold), p.idle_at) AS pair
       WHERE u.is_visible) slim ON true
   WHERE p.realm = presence_flush.realm AND p.update_id > told;
  IF news.times IS NOT NULL THEN
    PERFORM pgevents.stage(channel, 'presence',
      format('{"presences":{%s},"server_timestamp":%s}', news.times, stamp)::json,
      pgevents.timing('presence_event_ttl'));
  END IF;
  IF news.connected IS NOT NULL THEN
    PERFORM pgevents.stage(channel, 'pgevents.connected',
      format('{"users":[%s],"server_timestamp":%s}', news.connected, stamp)::json);
  END IF;
  IF news.disconnected IS NOT NULL THEN
    PERFORM pgevents.stage(channel, 'pgevents.disconnected',
      format('{"users":[%s],"presences":{%s},"server_timestamp":%s}', news.disconnected, news.last_seen, stamp)::json);
  END IF;
  UPDATE pgevents.presence_realms r
     SET flushed_id = coalesce(news.last_id, told), flushed_at = clock_timestamp(), is_dirty = false
   WHERE r.realm = presence_flush.realm;
END
$$;
