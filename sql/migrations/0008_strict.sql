-- Migration 8: a restored dump does not publish events again; settings are checked by name and value; a rate for
-- typing.

-- pg_dump includes staged rows. staging_sequence() skips those that another transaction has staged, and those from a
-- dump of an earlier version, which do not have the column.
ALTER TABLE pgevents.staging ADD COLUMN staged_at timestamptz;

-- A log that was never written has no row here, with which the rows of a dump would collide. Without a row nothing is
-- pruned, and no generation has begun. In a copy by logical replication the rows belong to the source.
DELETE FROM pgevents.generations WHERE NOT EXISTS (SELECT FROM pgevents.log) AND (SELECT pruned_id FROM pgevents.history) = 1
   AND NOT EXISTS (SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database());
DELETE FROM pgevents.crash_mark WHERE NOT EXISTS (SELECT FROM pgevents.generations);
DELETE FROM pgevents.history WHERE NOT EXISTS (SELECT FROM pgevents.generations);

-- generation_place() has one part more from now on. An upgrade must not look like another place.
UPDATE pgevents.generations SET place = concat_ws('/', place, pg_relation_filenode('pgevents.log'))
 WHERE place = concat_ws('/', (pg_control_system()).system_identifier, substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8),
                         (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));

-- The rules of all settings are in settings_check(), whose messages name the setting and what it takes.
ALTER TABLE pgevents.settings DROP CONSTRAINT settings_retention_valid, DROP CONSTRAINT settings_revocation_retention_valid,
  DROP CONSTRAINT settings_timings_valid;
COMMENT ON TABLE pgevents.settings IS 'Settings: how long things are kept, timings of presence and typing, how strict publishing is';
-- :strictness is "error" in a new installation. In an upgraded one it is "warning": an error would roll back
-- transactions of an application that worked before.
INSERT INTO pgevents.settings (name, value) VALUES
  ('reserved_types', :'strictness'),   -- for event types that EventSource uses itself
  ('unknown_members', :'strictness'),  -- for data with other members than type and data
  ('typing_rate', 'off')               -- typing events that a user may cause in a minute
ON CONFLICT (name) DO NOTHING;
-- The triggers below need these functions. install.sql replaces them afterwards; sql/functions describes them.
CREATE OR REPLACE FUNCTION pgevents.setting_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ARRAY['retention', 'revocation_retention', 'reserved_types', 'unknown_members',
    'presence_ping_interval', 'presence_offline_threshold', 'presence_flush_window', 'presence_event_ttl', 'presence_grace',
    'presence_lease', 'typing_started_expiry', 'typing_started_wait', 'typing_stopped_wait', 'typing_rate']
$$;
CREATE OR REPLACE FUNCTION pgevents.settings_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  wanted text := CASE
    WHEN NEW.name IN ('reserved_types', 'unknown_members') THEN 'error or warning'
    WHEN NEW.name IN ('retention', 'revocation_retention') THEN 'an interval greater than 0'
    WHEN NEW.name = 'typing_rate' THEN 'off, or a number of events a minute from 1 to 1000000'
    ELSE 'an interval from 1 millisecond to 7 days' END;
  is_good boolean;
BEGIN
  IF NOT coalesce(NEW.name = ANY (pgevents.setting_names()), false) THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('There is no setting %s', to_json(NEW.name)),
      HINT = 'Settings are: ' || array_to_string(pgevents.setting_names(), ', ');
  END IF;
  BEGIN
    is_good := CASE wanted
      WHEN 'error or warning' THEN NEW.value IN ('error', 'warning')
      WHEN 'an interval greater than 0' THEN NEW.value::interval > interval '0'
      WHEN 'an interval from 1 millisecond to 7 days' THEN NEW.value::interval BETWEEN interval '1 millisecond' AND interval '7 days'
      ELSE NEW.value = 'off' OR NEW.value ~ '^[1-9][0-9]{0,5}$' OR NEW.value = '1000000' END;
  EXCEPTION WHEN data_exception THEN
    is_good := false;
  END;
  IF NOT coalesce(is_good, false) THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST',
      format('Invalid value %s for the setting "%s": must be %s', to_json(NEW.value), NEW.name, wanted));
  END IF;
  PERFORM set_config('pgevents.settings_written', 'yes', true);
  RETURN NEW;
END
$$;
CREATE OR REPLACE FUNCTION pgevents.settings_found() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_WHEN = 'BEFORE' THEN
    PERFORM set_config('pgevents.settings_written', '', true);
  ELSIF current_setting('pgevents.settings_written', true) IS DISTINCT FROM 'yes' THEN
    RAISE EXCEPTION USING ERRCODE = 'PT400', DETAIL = '{"code":"BAD_REQUEST"}',
      MESSAGE = format('No setting matches: %s', left(current_query(), 200)),
      HINT = 'Settings are: ' || array_to_string(pgevents.setting_names(), ', ') || '. One that has no row yet needs an INSERT.';
  END IF;
  RETURN NULL;
END
$$;
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

-- How many typing events a user has caused since a time. At most one row for each user; prune() removes old rows.
CREATE UNLOGGED TABLE pgevents.typing_counts (
  realm   text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  since   timestamptz NOT NULL,
  events  bigint NOT NULL,
  PRIMARY KEY (realm, user_id)
);
COMMENT ON TABLE pgevents.typing_counts IS 'Events of typing by user, while the setting typing_rate is on';

-- These functions have other parameters now, or are no longer used.
DROP FUNCTION IF EXISTS pgevents.split_data(json), pgevents.json_member(json, text), pgevents.json_member_escaped(json, text);
