-- Called by install.sql, first: rejects a server or a schema that pgevents cannot use, and makes what the migrations
-- need.
DO $$
BEGIN
  IF current_setting('server_version_num')::int < 130000 THEN
    RAISE EXCEPTION 'pgevents needs PostgreSQL 13 or later, this server has %', current_setting('server_version');
  END IF;
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'pgevents needs a database with encoding UTF8, this one has %', current_setting('server_encoding')
      USING HINT = 'Create a database with: createdb --encoding=UTF8 --template=template0 NAME';
  END IF;
  -- Two installations at once would fail on each other's catalog rows.
  PERFORM pg_advisory_xact_lock(1885824374, 3);  -- lock "install"
END
$$;

\ir make_roles.sql

-- The owner of the schema: the role of -v owner=, or the installing role.
SELECT coalesce(nullif(:'owner', ''), current_user) AS schema_owner \gset
SELECT to_regnamespace('pgevents') IS NULL AS is_due \gset
\if :is_due
CREATE SCHEMA pgevents AUTHORIZATION :"schema_owner";
\endif

-- The owner of an object in the schema decides what the installing role executes: a trigger on a table, a function, an
-- index. Membership does not count, because a superuser is a member of every role. Objects of the bootstrap superuser
-- (10) have no entry in pg_shdepend.
SELECT set_config('pgevents.schema_owner', :'schema_owner', true) AS nothing \gset
DO $$
DECLARE
  wanted oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_setting('pgevents.schema_owner'));
  alien  record;
BEGIN
  SELECT o.object, o.owner INTO alien FROM (
    SELECT 1 AS place, 'schema pgevents' AS object, n.nspowner AS owner FROM pg_namespace n WHERE n.nspname = 'pgevents'
    UNION ALL
    SELECT 2, pg_describe_object(d.classid, d.objid, 0), coalesce((SELECT s.refobjid FROM pg_shdepend s
              WHERE s.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
                AND s.classid = d.classid AND s.objid = d.objid AND s.objsubid = 0 AND s.deptype = 'o'), 10)
      FROM pg_depend d
     WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = to_regnamespace('pgevents') AND d.deptype = 'n'
    ) o WHERE o.owner <> wanted ORDER BY o.place, o.object LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'pgevents: % belongs to %, not to %; nothing was installed',
      alien.object, alien.owner::regrole, wanted::regrole
      USING HINT = format('Its owner could make the installing role execute other code. If %1$s is meant to own '
                          'pgevents, install as %1$s or with -v owner=%1$s. Otherwise drop the schema, or make %2$s '
                          'the owner.',
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
SELECT :'schema_owner' <> current_user AS is_other \gset
\if :is_other
SET LOCAL ROLE :"schema_owner";
\endif

CREATE TABLE IF NOT EXISTS pgevents.migrations (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
