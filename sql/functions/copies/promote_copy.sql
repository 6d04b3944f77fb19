-- pgevents.promote_copy(): makes a copy a primary, whether the old one lives or not.
-- Parameters: none.
-- Returns:    {"head":…,"first_id":…,"slots":[…]}: the newest event that has arrived, the first id of the new
--             generation, and the replication slots that this copy leaves on the old primary; NULL if this is no copy.
-- Errors:     PT403, PT409 (copy_owner()); PT503 while the tables are copied for the first time.
-- Tables:     copy_mark (delete), generations (read, insert), log, crash_mark (see check_generation()).
-- Stop publishing on the old primary before: what it publishes later is not here. Subscribers here go on without a
-- reset, because the generation begins behind everything that has arrived; a client that knows more of the old primary
-- gets one. The subscription is dropped without asking the primary, so its slot remains there and keeps WAL until it is
-- dropped.
CREATE OR REPLACE FUNCTION pgevents.promote_copy() RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  feed  record;
  slots text[] := '{}';
  head  bigint;
BEGIN
  PERFORM pgevents.copy_owner();
  IF NOT pgevents.is_fed() THEN
    RETURN NULL;
  ELSIF EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass) THEN
    PERFORM pgevents.copy_complete();
  END IF;
  FOR feed IN
    SELECT DISTINCT s.subname, s.subslotname FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid
      JOIN pg_class c ON c.oid = r.srrelid AND c.relnamespace = 'pgevents'::regnamespace
     WHERE c.relname = ANY (pgevents.copied_tables())
  LOOP
    EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', feed.subname);
    EXECUTE format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', feed.subname);
    EXECUTE format('DROP SUBSCRIPTION %I', feed.subname);  -- ends its workers before it returns
    slots := slots || array_remove(ARRAY[feed.subslotname::text], NULL);
  END LOOP;
  PERFORM pgevents.copy_guard(false);
  DELETE FROM pgevents.copy_mark;
  PERFORM pg_advisory_xact_lock(1885824374, 1);  -- lock "append"
  head := pgevents.head();
  IF head > 1 AND NOT EXISTS (SELECT FROM pgevents.generations) THEN
    -- Not copied: the ids were given elsewhere all the same.
    INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (1, 0, 'primary');
  END IF;
  IF head > 1 THEN
    PERFORM pgevents.check_generation();
  END IF;
  RETURN jsonb_build_object('head', head, 'slots', slots,
    'first_id', (SELECT max(g.first_id) FROM pgevents.generations g));
END
$$;
