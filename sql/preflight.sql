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

\ir ownership.sql
SELECT :'schema_owner' <> current_user AS is_other \gset
\if :is_other
SET LOCAL ROLE :"schema_owner";
\endif

CREATE TABLE IF NOT EXISTS pgevents.migrations (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
