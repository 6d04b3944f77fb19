-- pgevents.presence_switch(realm, user_id, enabled, was_enabled): changes a user's presence when the user turns it on
-- or off.
-- Parameters: realm, user_id: the user; enabled: the new setting; was_enabled: the setting before.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     presence (insert, update, delete), connections (lock), presence_realms (update), staging (insert).
-- Off: the times move back, never forward, to where all clients take the user for offline: the threshold and the
-- distance between two reports ago. On: the user is active now. An event reports either, so that no client keeps the
-- old state; unless the setting was the same before and no time moves.
-- Turning it off makes an empty row, too: without it this transaction would not wait for a first report under way. The
-- row does not stay.
CREATE OR REPLACE FUNCTION pgevents.presence_switch(realm text, user_id text, enabled boolean, was_enabled boolean)
RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  at   timestamptz;
  past timestamptz;
  id   bigint;
BEGIN
  INSERT INTO pgevents.presence (realm, user_id, idle_at)
    VALUES (presence_switch.realm, presence_switch.user_id, '-infinity')
    ON CONFLICT DO NOTHING;
  PERFORM FROM pgevents.presence p
    WHERE p.realm = presence_switch.realm AND p.user_id = presence_switch.user_id FOR NO KEY UPDATE;
  -- presence_sweep() may be removing them.
  PERFORM FROM pgevents.connections c
    WHERE c.realm = presence_switch.realm AND c.user_id = presence_switch.user_id FOR KEY SHARE;
  PERFORM pgevents.presence_lock_realms(ARRAY[presence_switch.realm]);
  at := clock_timestamp();
  past := at - pgevents.timing('presence_offline_threshold') - pgevents.timing('presence_ping_interval') * 13 / 12;
  id := nextval('pgevents.presence_update_seq');
  UPDATE pgevents.presence p
     SET active_at = c.active_at, active_told_at = c.active_at,
         idle_at = CASE WHEN enabled THEN greatest(p.idle_at, at) ELSE least(p.idle_at, past) END,
         is_connected = c.is_connected, update_id = id, times_id = id,
         connected_id = CASE WHEN c.is_connected <> p.is_connected THEN id ELSE p.connected_id END
    FROM (SELECT enabled AND EXISTS (SELECT FROM pgevents.connections c
             WHERE c.realm = presence_switch.realm AND c.user_id = presence_switch.user_id) AS is_connected,
           CASE WHEN enabled THEN greatest(q.active_at, at) WHEN q.active_at > past THEN past
                ELSE q.active_at END AS active_at
            FROM pgevents.presence q WHERE q.realm = presence_switch.realm AND q.user_id = presence_switch.user_id) c
   WHERE p.realm = presence_switch.realm AND p.user_id = presence_switch.user_id
     AND CASE WHEN enabled THEN NOT was_enabled
              ELSE p.update_id > 0 AND (was_enabled OR p.idle_at > past OR p.is_connected) END;
  IF FOUND THEN
    PERFORM pgevents.presence_tell(ARRAY[presence_switch.realm]);
  ELSE
    DELETE FROM pgevents.presence p
     WHERE p.realm = presence_switch.realm AND p.user_id = presence_switch.user_id AND p.update_id = 0;
  END IF;
END
$$;
