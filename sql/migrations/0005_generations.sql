-- Migration 5: generations of the log, so that front-ends notice that a log has lost its last events.

-- A database that was restored, or a standby that was promoted, may lack events that were delivered. Ids then continue
-- far behind all that can have been lost: a client with a cursor in between knows events that are not here.
CREATE TABLE pgevents.generations (
  first_id bigint PRIMARY KEY,  -- the first id of this generation
  after_id bigint NOT NULL,     -- the last id before it that is in this log
  place    text NOT NULL,       -- generation_place() at that time
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (after_id < first_id)
);
COMMENT ON TABLE pgevents.generations IS 'Ids between after_id and first_id were given by another database, or by none';

-- install.sql replaces this function afterwards; sql/functions describes it.
CREATE OR REPLACE FUNCTION pgevents.generation_place() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT concat_ws('/', (pg_control_system()).system_identifier, substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
                   (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
                   pg_relation_filenode('pgevents.log'))
$$;
INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (1, 0, pgevents.generation_place());
