-- pgevents.become_copy(conninfo, version, slot): makes this database a copy of a primary's log.
-- Parameters: conninfo: how PostgreSQL connects to the primary; version: the primary's schema version, as
--             create_publication() returned it (NULL: not compared); slot: a replication slot that was made there for
--             this copy.
-- Returns:    without a slot the statement that subscribes, to be executed outside of a transaction (psql: \gexec):
--             only then PostgreSQL makes the slot itself; with a slot NULL: it has subscribed. NULL also if this is a
--             copy that has subscribed.
-- Errors:     PT403, PT409 (copy_owner()); PT403 without the right to subscribe; PT409 if anything was published here,
--             or the schema versions differ; those of CREATE SUBSCRIPTION.
-- Tables:     log, history, generations, ready, revocations, idempotency_keys (read), copy_mark (insert).
-- From now on this database gives no ids, and rejects what publishes; one that was subscribed by hand, too. A copy that
-- has lost its subscription remains one until promote_copy(). Sessions that have published look again whether they may:
-- the sequence that they know is replaced (generation_is_checked()).
CREATE OR REPLACE FUNCTION pgevents.become_copy(conninfo text, version int DEFAULT NULL, slot text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  here  int := (SELECT v.version FROM pgevents.schema_version() v);
  owner text := (SELECT c.relowner::regrole FROM pg_class c WHERE c.oid = 'pgevents.log'::regclass);
  name  text;
BEGIN
  PERFORM pgevents.copy_owner();
  IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user)
     AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'pg_create_subscription'
                      AND pg_has_role(r.oid, 'USAGE') AND has_database_privilege(current_database(), 'CREATE')) THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN', format('%s may not subscribe: that needs a superuser, or from '
      'PostgreSQL 16 on a member of pg_create_subscription with CREATE on the database', current_user));
  ELSIF version <> here THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', format('The schema version of the primary is %s, that of this '
      'database is %s: run the newer install.sql on the other one first', version, here));
  ELSIF NOT pgevents.is_fed() THEN
    LOCK TABLE pgevents.staging, pgevents.staging_rest IN SHARE ROW EXCLUSIVE MODE;
    FOREACH name IN ARRAY pgevents.copied_tables() || ARRAY['ready'] LOOP
      EXECUTE format('SELECT %L FROM pgevents.%I HAVING count(*) > 0', name, name) INTO name;
      IF name IS NOT NULL THEN
        PERFORM pgevents.raise_error(409, 'CONFLICT', format('Something was published here: pgevents.%s has rows. '
          'A copy begins with an empty schema', name));
      END IF;
    END LOOP;
  END IF;
  IF NOT EXISTS (SELECT FROM pgevents.copy_mark) THEN
    INSERT INTO pgevents.copy_mark DEFAULT VALUES;
    PERFORM pgevents.copy_guard(true);
    DROP SEQUENCE pgevents.generation_seen;
    CREATE SEQUENCE pgevents.generation_seen AS bigint;
    EXECUTE format('ALTER SEQUENCE pgevents.generation_seen OWNER TO %s', owner);
  END IF;
  IF EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass) THEN
    RETURN NULL;
  END IF;
  name := coalesce(slot, concat_ws('_', 'pgevents', (SELECT c.system_identifier FROM pg_control_system() c),
    (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())));
  IF slot IS NULL THEN
    RETURN format('CREATE SUBSCRIPTION pgevents CONNECTION %L PUBLICATION pgevents WITH (slot_name = %L)',
      conninfo, name);
  END IF;
  EXECUTE format('CREATE SUBSCRIPTION pgevents CONNECTION %L PUBLICATION pgevents '
    'WITH (create_slot = false, slot_name = %L)', conninfo, name);
  RETURN NULL;
END
$$;
