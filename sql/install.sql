-- Installs pgevents into the current database, or upgrades what is there, in one transaction:
--     psql -v ON_ERROR_STOP=1 -f sql/install.sql [connection options]
-- Running it again changes nothing. `-v to=N` stops at schema version N (used by the upgrade test).
-- Needs: PostgreSQL 13 or later, encoding UTF8, CREATE on the database; CREATEROLE only when the roles are missing.
\set ON_ERROR_STOP on
\set QUIET on
\set latest 2
\if :{?to}
\else
\set to :latest
\endif

BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL search_path = pg_catalog, pg_temp;
-- An upgrade that has to wait for a long query must not make every publisher wait behind it: it gives up instead.
SET LOCAL lock_timeout = '10s';
\ir preflight.sql

SELECT coalesce(max(version), 0) AS installed, coalesce(max(version), 0) > :latest AS is_newer
  FROM pgevents.migrations \gset
\if :is_newer
\warn 'pgevents: the database has schema version' :installed '- this install.sql knows only up to' :latest
\warn 'pgevents: use the install.sql of the newer release'
DO $$ BEGIN RAISE EXCEPTION 'pgevents: refusing to install an older version'; END $$;
\endif

SELECT :installed < 1 AND :to >= 1 AS is_due \gset
\if :is_due
\ir migrations/0001_event_log.sql
INSERT INTO pgevents.migrations (version, name) VALUES (1, 'event_log');
\endif

SELECT :installed < 2 AND :to >= 2 AS is_due \gset
\if :is_due
\ir migrations/0002_idempotency_keys.sql
INSERT INTO pgevents.migrations (version, name) VALUES (2, 'idempotency_keys');
\endif

\ir functions/raise_error.sql
\ir functions/us.sql
\ir functions/json_member.sql
\ir functions/check_event.sql
\ir functions/split_data.sql
\ir functions/split_body.sql
\ir functions/append.sql
\ir functions/events_insert.sql
\ir functions/events_refuse_change.sql
\ir functions/staging_sequence.sql
\ir functions/log_notify.sql
\ir functions/head.sql
\ir functions/log_after.sql
\ir functions/page_start.sql
\ir functions/fetch.sql
\ir functions/listener_start.sql
\ir functions/publish.sql
\ir functions/http_publish.sql
\ir functions/prune_log.sql
\ir functions/prune.sql
\ir functions/status.sql
\ir roles.sql

-- Sequences are not carried over by logical replication: after moving to such a copy the next id must not lie behind the log.
DO $$
BEGIN
  PERFORM setval('pgevents.log_id_seq', pgevents.head())
    FROM pgevents.log_id_seq s WHERE s.last_value < pgevents.head() AND pgevents.head() > 1;
END
$$;
SELECT max(version) AS installed FROM pgevents.migrations \gset
COMMIT;
\echo 'pgevents: schema version' :installed 'is installed'
