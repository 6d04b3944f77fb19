-- Called by install.sql, first: refuses a server that pgevents cannot work on, and makes what the migrations need.
DO $$
BEGIN
  IF current_setting('server_version_num')::int < 130000 THEN
    RAISE EXCEPTION 'pgevents needs PostgreSQL 13 or later, this is %', current_setting('server_version');
  END IF;
  IF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'pgevents needs a database with encoding UTF8, this one has %', current_setting('server_encoding')
      USING HINT = 'createdb --encoding=UTF8 --template=template0 NAME';
  END IF;
  -- Two installations at once would stumble over each other's catalog rows.
  PERFORM pg_advisory_xact_lock(1885824374, 3);
END
$$;

CREATE SCHEMA IF NOT EXISTS pgevents;

CREATE TABLE IF NOT EXISTS pgevents.migrations (
  version    integer PRIMARY KEY,
  name       text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
