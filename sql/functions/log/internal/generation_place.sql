-- pgevents.generation_place(): identifies this database and its line of history. The result changes when a standby is
-- promoted, when a backup is recovered to a point in time, and when a dump is restored, also in place: the log is then
-- another file.
-- Parameters: none.
-- Returns:    the cluster's system identifier, its timeline, the database's oid, and the number of the log's file.
-- Errors:     55000 during recovery.
-- Tables:     none.
CREATE OR REPLACE FUNCTION pgevents.generation_place() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT concat_ws('/', (pg_control_system()).system_identifier,
                   substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
                   (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
                   pg_relation_filenode('pgevents.log'))
$$;
