-- pgevents.presence_state(realm, after, days, slim, with_connected): presence in a realm, for an answer.
-- Parameters: realm: the realm; after: the client's last_update_id (NULL: it has none); days: how far back, 14 if NULL,
--             used only if after does not limit the answer, 0: no presence at all; slim: pairs of times instead of the
--             older form; with_connected: also the list of connected users.
-- Returns:    "server_timestamp":…,"presence_last_update_id":…,"presences":{…}, for answer(), with
--             "presence_connected":[…] if wanted.
-- Errors:     none of its own.
-- Tables:     presence, users, settings, presence_update_seq (read).
-- An id that was never drawn comes from a later state of the database than this one (a restored backup, a failover with
-- a loss): such a client gets everything, because it would otherwise wait until the ids have grown that far again. The
-- plan is always the same, and planning takes longer than answering that nothing is new: hence the generic plan.
CREATE OR REPLACE FUNCTION pgevents.presence_state(realm text, after bigint, days bigint, slim boolean,
  with_connected boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  known   bigint := CASE WHEN after <= (SELECT s.last_value FROM pgevents.presence_update_seq s)
                         THEN after ELSE -1 END;
  since   timestamptz := now() - greatest(-36500, least(36500, coalesce(days, 14))) * interval '1 day';
  slack   interval := pgevents.presence_slack();
  last_id bigint;
  people  text;
  present text[];
BEGIN
  IF days IS DISTINCT FROM 0 THEN
    SELECT max(r.update_id), array_agg(r.user_id) FILTER (WHERE with_connected AND r.is_connected),
           string_agg(to_json(r.user_id)::text || ':'
             || CASE WHEN slim THEN pgevents.presence_slim(r.active_at, r.idle_at)
             ELSE pgevents.presence_legacy(r.active_at, r.idle_at, slack) END, ',')
      INTO last_id, present, people
      FROM (SELECT * FROM pgevents.presence_since(realm, known) WHERE known > 0
            UNION ALL SELECT * FROM pgevents.presence_rows(realm, since) WHERE known <= 0) r;
  END IF;
  RETURN format('"server_timestamp":%s,"presence_last_update_id":%s,"presences":{%s}%s',
    to_json(pgevents.server_timestamp()), coalesce(last_id, known), people,
    CASE WHEN with_connected THEN ',"presence_connected":' || to_json(coalesce(present, '{}'))::text END);
END
$$;
