-- pgevents.presence_sweep(max_users): ends connections that are over: left for longer than the grace period, or with an
-- expired lease.
-- Parameters: max_users: at most this many users.
-- Returns:    number of connections removed.
-- Errors:     none of its own.
-- Tables:     connections, presence_holders (update, delete), presence (update), settings (read), presence_realms
--             (update), staging (insert).
-- Skips a user whose row is locked until the next time: the user may just be connecting. A user who connects while this
-- function holds their row waits, then finds the state disconnected and is written as connected.
CREATE OR REPLACE FUNCTION pgevents.presence_sweep(max_users int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  at      timestamptz := clock_timestamp();
  left_by timestamptz := at - pgevents.timing('presence_grace');
  due     record;
  removed bigint;
BEGIN
  UPDATE pgevents.presence_holders SET is_gone = true WHERE holder = ANY (ARRAY(
    SELECT h.holder FROM pgevents.presence_holders h
     WHERE h.alive_until < left_by AND NOT h.is_gone FOR NO KEY UPDATE SKIP LOCKED));
  SELECT array_agg(d.realm) AS realms, array_agg(d.user_id) AS user_ids INTO due
    FROM (SELECT c.realm, c.user_id FROM pgevents.connections c WHERE c.left_at < left_by
          UNION SELECT c.realm, c.user_id FROM pgevents.connections c WHERE c.until < at
          UNION SELECT c.realm, c.user_id
                  FROM pgevents.presence_holders h JOIN pgevents.connections c USING (holder) WHERE h.is_gone
          LIMIT max_users) d;
  IF due.realms IS NULL THEN
    DELETE FROM pgevents.presence_holders h WHERE h.is_gone;
    RETURN 0;
  END IF;
  -- The users whose row in presence could be locked, and the users without a row.
  SELECT array_agg(d.realm) AS realms, array_agg(d.user_id) AS user_ids INTO due
    FROM unnest(due.realms, due.user_ids) d (realm, user_id)
    LEFT JOIN (SELECT p.realm, p.user_id, true AS is_locked FROM pgevents.presence p
                WHERE (p.realm, p.user_id) IN (SELECT * FROM unnest(due.realms, due.user_ids))
                ORDER BY p.realm, p.user_id FOR NO KEY UPDATE SKIP LOCKED) p USING (realm, user_id)
   WHERE p.is_locked OR NOT EXISTS (SELECT FROM pgevents.presence q WHERE q.realm = d.realm AND q.user_id = d.user_id);
  DELETE FROM pgevents.connections WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM pgevents.connections c
     WHERE (c.realm, c.user_id) IN (SELECT * FROM unnest(due.realms, due.user_ids))
       AND (c.left_at < left_by OR c.until < at
            OR EXISTS (SELECT FROM pgevents.presence_holders h WHERE h.holder = c.holder AND h.is_gone))
     FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS removed = ROW_COUNT;
  PERFORM pgevents.presence_disconnect(due.realms, due.user_ids);
  RETURN removed;
END
$$;
