-- Called by preflight.sql and by pgevents-schema, in a transaction with search_path = pg_catalog, pg_temp: rejects a
-- schema of which anything belongs to another role than `owner`, or, without it, than the role that is connected. Reads
-- catalogs only, and executes nothing of the schema.
SELECT set_config('pgevents.schema_owner', coalesce(nullif(:'owner', ''), current_user), true) AS nothing \gset

-- The owner of an object in the schema decides what the connected role executes: a trigger on a table, a function, an
-- index. Membership does not count, because a superuser is a member of every role. The schema comes first: once it is
-- known to be the right role's, no other role can replace it. Objects of the bootstrap superuser (10) have no entry in
-- pg_shdepend.
DO $$
DECLARE
  schema_owner text := current_setting('pgevents.schema_owner');
  wanted       oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = schema_owner);
  alien        record;
BEGIN
  SELECT 'schema pgevents' AS object, n.nspowner AS owner INTO alien FROM pg_namespace n WHERE n.nspname = 'pgevents';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'pgevents: the database has no schema pgevents';
  ELSIF wanted IS NULL THEN
    RAISE EXCEPTION 'pgevents: role "%" does not exist', schema_owner;
  ELSIF alien.owner = wanted THEN
    SELECT o.object, o.owner INTO alien FROM (
      SELECT pg_describe_object(d.classid, d.objid, 0) AS object, coalesce((SELECT s.refobjid FROM pg_shdepend s
               WHERE s.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
                 AND s.classid = d.classid AND s.objid = d.objid AND s.objsubid = 0 AND s.deptype = 'o'), 10) AS owner
        FROM pg_depend d
       WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace('pgevents') AND d.deptype = 'n'
      ) o WHERE o.owner <> wanted ORDER BY o.object LIMIT 1;
  END IF;
  IF alien.owner <> wanted THEN
    RAISE EXCEPTION 'pgevents: % belongs to %, not to %; nothing was installed, and nothing of the schema executed',
      alien.object, alien.owner::regrole, wanted::regrole
      USING HINT = format('Its owner could make the connected role execute other code. If %1$s is meant to own '
                          'pgevents, connect as %1$s, or, if it may have all rights of the connected role, install '
                          'with -v owner=%1$s (pgevents-schema: --owner %1$s). Otherwise drop the schema, or make '
                          '%2$s the owner.',
                          alien.owner::regrole, wanted::regrole);
  END IF;
END
$$;

-- A role that may create functions here can overload one of pgevents' own; its code would run with the owner's rights.
DO $$
DECLARE
  grantee text := (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
                     FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
                    WHERE n.nspname = 'pgevents' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
                    ORDER BY 1 LIMIT 1);
BEGIN
  IF grantee IS NOT NULL THEN
    RAISE EXCEPTION 'pgevents: % may create objects in schema pgevents; nothing was installed', grantee
      USING HINT = format('Its code could run with the rights of pgevents'' owner. '
                          'Run: REVOKE CREATE ON SCHEMA pgevents FROM %s', grantee);
  END IF;
END
$$;
