-- pgevents.presence_report(reports, holder, until): records what users have done, for any number of users at once.
-- Every change of presence goes through it, except turning presence off and on, and the sweep.
-- Parameters: as presence_changes(). until: the connection lasts at least until then; it gets a lease more, so that few
--             polls write.
-- Returns:    how many users' rows have been written. Users who are unknown, inactive or bots are skipped. -1: the
--             holder is gone, and nothing has been written.
-- Errors:     PT400 without a holder: an application writes these reports itself, and a misspelt member would count as
--             idle. PT503 on a copy.
-- Tables:     presence, connections (insert, update), users, presence_holders (read), presence_realms (update), staging
--             (insert).
-- Call it in a transaction of its own: the rows and the realms stay locked until it ends. The order of locks, here and
-- elsewhere, is the holder, presence by (realm, user), connections likewise, the locks "realm" by key, then the lock
-- "append" at COMMIT.
CREATE OR REPLACE FUNCTION pgevents.presence_report(reports jsonb, holder bigint DEFAULT NULL,
  until timestamptz DEFAULT NULL) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  due       jsonb;
  newcomers jsonb;
  wrong     jsonb;
  total     int;
BEGIN
  PERFORM pgevents.primary_only();
  IF holder IS NULL THEN
    wrong := (SELECT e.value FROM jsonb_array_elements(reports) e WHERE jsonb_typeof(e.value) <> 'object'
      OR coalesce(jsonb_typeof(e.value -> 'realm'), '') <> 'string'
      OR coalesce(jsonb_typeof(e.value -> 'user'), '') <> 'string'
      OR e.value ->> 'status' NOT IN ('active', 'idle')
      OR e.value - '{realm,user,status,left}'::text[] <> '{}' LIMIT 1);
    IF wrong IS NOT NULL THEN
      PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Invalid report: ' || left(wrong::text, 200));
    END IF;
  END IF;
  SELECT jsonb_agg(c.report), jsonb_agg(c.report) FILTER (WHERE c.is_new AND c.report -> 'left' = 'false')
    INTO due, newcomers
    FROM pgevents.presence_changes(reports, holder, until, clock_timestamp()) c WHERE c.contact_due OR c.row_due;
  IF due IS NULL THEN
    RETURN 0;
  END IF;
  IF holder > 0 THEN
    -- The lock keeps presence_sweep() from removing the holder's connections while it gets new ones.
    PERFORM FROM pgevents.presence_holders h WHERE h.holder = presence_report.holder AND NOT h.is_gone FOR SHARE;
    IF NOT FOUND THEN
      RETURN -1;
    END IF;
  END IF;
  PERFORM pgevents.presence_lock(due, newcomers);
  IF holder IS NOT NULL THEN
    PERFORM pgevents.connections_write(due, holder, until);
  END IF;
  total := pgevents.presence_write(due, holder, until);
  IF newcomers IS NOT NULL THEN
    -- Removes the empty rows of users whose reports changed nothing.
    DELETE FROM pgevents.presence p USING jsonb_array_elements(newcomers) n
     WHERE p.update_id = 0 AND p.realm = n.value ->> 'realm' AND p.user_id = n.value ->> 'user';
  END IF;
  RETURN total;
END
$$;
