-- Migration 8: a restored dump publishes nothing again; settings are checked by name and value; a rate for typing.

-- pg_dump takes staged rows along. staging_sequence() passes over those that another transaction has staged, and those of a dump of an
-- earlier version, which do not have the column.
ALTER TABLE pgevents.staging ADD COLUMN staged_at timestamptz;

-- A log that was never written has no row here: those of a dump must not collide with it. No row means: nothing is pruned, and
-- no generation has begun. In a copy by logical replication the rows belong to the source.
DELETE FROM pgevents.generations WHERE NOT EXISTS (SELECT FROM pgevents.log) AND (SELECT pruned_id FROM pgevents.history) = 1
   AND NOT EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database());
DELETE FROM pgevents.crash_mark WHERE NOT EXISTS (SELECT FROM pgevents.generations);
DELETE FROM pgevents.history WHERE NOT EXISTS (SELECT FROM pgevents.generations);

-- generation_place() has one part more from now on. An upgrade is no other place.
UPDATE pgevents.generations SET place = concat_ws('/', place, pg_relation_filenode('pgevents.log'))
 WHERE place = concat_ws('/', (pg_control_system()).system_identifier, substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
                         (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));

-- The rules of all settings are in settings_check(), whose messages name the setting and what it takes.
ALTER TABLE pgevents.settings DROP CONSTRAINT settings_retention_valid, DROP CONSTRAINT settings_revocation_retention_valid,
  DROP CONSTRAINT settings_timings_valid;
COMMENT ON TABLE pgevents.settings IS 'Settings: how long things are kept, timings of presence and typing, how strict publishing is';
-- :strictness is "error" in a new installation. In an upgraded one it is "warning": an error would roll back transactions of an
-- application that worked so far.
INSERT INTO pgevents.settings (name, value) VALUES
  ('reserved_types', :'strictness'),   -- publishing an event of a type that EventSource uses itself
  ('unknown_members', :'strictness'),  -- publishing data with other members than type and data
  ('typing_rate', 'off')               -- events of typing that a user may cause a minute
ON CONFLICT (name) DO NOTHING;
\ir ../functions/setting_names.sql
\ir ../functions/settings_check.sql
\ir ../functions/settings_found.sql
CREATE TRIGGER settings_check BEFORE INSERT OR UPDATE ON pgevents.settings
  FOR EACH ROW EXECUTE FUNCTION pgevents.settings_check();
CREATE TRIGGER settings_found_before BEFORE UPDATE ON pgevents.settings
  FOR EACH STATEMENT EXECUTE FUNCTION pgevents.settings_found();
CREATE TRIGGER settings_found_after AFTER UPDATE ON pgevents.settings
  FOR EACH STATEMENT EXECUTE FUNCTION pgevents.settings_found();
DO $$
DECLARE
  unknown text;
BEGIN
  FOR unknown IN SELECT s.name FROM pgevents.settings s WHERE NOT s.name = ANY (pgevents.setting_names()) ORDER BY 1 LOOP
    RAISE WARNING 'pgevents: there is no setting "%"; its row in pgevents.settings has no effect', unknown;
  END LOOP;
END
$$;

-- How many events of typing a user has caused since a time. At most a row for each user; prune() removes what is over.
CREATE UNLOGGED TABLE pgevents.typing_counts (
  realm   text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  since   timestamptz NOT NULL,
  events  bigint NOT NULL,
  PRIMARY KEY (realm, user_id)
);
COMMENT ON TABLE pgevents.typing_counts IS 'Events of typing by user, while the setting typing_rate is on';

-- These have other parameters now, or are no longer used.
DROP FUNCTION IF EXISTS pgevents.split_data(json), pgevents.json_member(json, text), pgevents.json_member_escaped(json, text);
