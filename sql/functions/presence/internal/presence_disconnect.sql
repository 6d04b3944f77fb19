-- pgevents.presence_disconnect(realms, user_ids): writes which of these users are no longer connected.
-- Parameters: realms, user_ids: arrays of the same length; the users' rows in presence are locked.
-- Returns:    nothing.
-- Errors:     none of its own.
-- Tables:     presence (update), connections (read), presence_realms (update), staging (insert).
CREATE OR REPLACE FUNCTION pgevents.presence_disconnect(realms text[], user_ids text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  gone record;
BEGIN
  SELECT array_agg(p.realm) AS realms, array_agg(p.user_id) AS user_ids INTO gone
    FROM unnest(presence_disconnect.realms, presence_disconnect.user_ids) d (realm, user_id)
    JOIN pgevents.presence p ON p.realm = d.realm AND p.user_id = d.user_id
   WHERE p.is_connected
     AND NOT EXISTS (SELECT FROM pgevents.connections c WHERE c.realm = d.realm AND c.user_id = d.user_id);
  IF gone.realms IS NULL THEN
    RETURN;
  END IF;
  PERFORM pgevents.presence_lock_realms(gone.realms);
  UPDATE pgevents.presence p SET is_connected = false, update_id = g.id, connected_id = g.id
    FROM (SELECT realm, user_id, nextval('pgevents.presence_update_seq') AS id
            FROM unnest(gone.realms, gone.user_ids) u (realm, user_id)) g
   WHERE p.realm = g.realm AND p.user_id = g.user_id;
  PERFORM pgevents.presence_tell(ARRAY(SELECT DISTINCT r FROM unnest(gone.realms) r));
END
$$;
