-- Migration 1: the event log, the staging table in front of it, and the view that applications use.
-- The statements of a released migration never change; a later change is a new file.

COMMENT ON SCHEMA pgevents IS 'Real-time events from committed transactions';
COMMENT ON TABLE pgevents.migrations IS 'Which migrations have been applied';

CREATE TABLE pgevents.settings (
  name  text PRIMARY KEY,
  value text NOT NULL,
  -- A retention that cannot be read would silently stop pruning: it is rejected when it is written.
  CONSTRAINT settings_retention_valid CHECK (name <> 'retention' OR value::interval > interval '0')
);
COMMENT ON TABLE pgevents.settings IS 'Settings; retention: how long events are kept (interval)';
INSERT INTO pgevents.settings (name, value) VALUES ('retention', '7 days');

-- What pruning has removed: rows with id <= pruned_id are gone. A cursor below it has a gap.
CREATE TABLE pgevents.history (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  pruned_id bigint NOT NULL,
  pruned_ts timestamptz NOT NULL
);
COMMENT ON TABLE pgevents.history IS 'How far the log has been pruned (one row)';
-- Ids start at 2, so that the head of an empty log (1) differs from the cursor 0, which means "all that is kept".
INSERT INTO pgevents.history (pruned_id, pruned_ts) VALUES (1, '-infinity');

CREATE SEQUENCE pgevents.log_id_seq AS bigint START WITH 2;

-- The log. json, not jsonb: the inner data is kept as it was written, to the byte.
-- Collation "C": names are compared as bytes, and an upgrade of the C library cannot disorder the index.
CREATE TABLE pgevents.log (
  id         bigint PRIMARY KEY,
  channel_id text COLLATE "C" NOT NULL,
  ts         timestamptz NOT NULL,
  type       text COLLATE "C" NOT NULL,
  data       json NOT NULL,
  expires_at timestamptz,
  -- The front-ends read times as numbers, which cannot be infinite.
  CONSTRAINT log_times_finite CHECK (isfinite(ts) AND isfinite(expires_at))
);
COMMENT ON TABLE pgevents.log IS 'All kept events, ids in commit order';
CREATE INDEX log_channel_id_id_idx ON pgevents.log (channel_id, id);
CREATE INDEX log_ts_id_idx ON pgevents.log (ts, id);
CREATE INDEX log_expires_at_idx ON pgevents.log (expires_at) WHERE expires_at IS NOT NULL;

-- Events of transactions that have not committed yet; afterwards prune() removes the rows.
-- UNLOGGED: rows that a crash could lose here belong to transactions that the crash rolls back.
CREATE UNLOGGED TABLE pgevents.staging (
  channel_id text COLLATE "C" NOT NULL,
  type       text COLLATE "C" NOT NULL,
  data       json NOT NULL,
  expires_at timestamptz,
  last_turn  boolean NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE pgevents.staging IS 'Events on their way to the log, which they reach at COMMIT';

-- The triggers below need these functions. install.sql replaces them afterwards; sql/functions describes them.
CREATE OR REPLACE FUNCTION pgevents.staging_sequence() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  new_id bigint;
BEGIN
  IF NEW.staged_at IS DISTINCT FROM now() THEN
    RETURN NULL; -- from a dump: it was published long ago
  ELSIF NOT NEW.last_turn THEN
    INSERT INTO pgevents.staging (channel_id, type, data, expires_at, last_turn, staged_at)
      VALUES (NEW.channel_id, NEW.type, NEW.data, NEW.expires_at, true, now());
    RETURN NULL;
  END IF;
  IF NEW.type = 'pgevents.revoked' THEN
    NEW.data := pgevents.revocation_settle(NEW.data);
  END IF;
  new_id := pgevents.append(NEW.channel_id, NEW.type, NEW.data, NEW.expires_at);
  RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION pgevents.log_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  nothing pg_catalog.text := pg_catalog.pg_notify('pgevents', '');
BEGIN
  RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION pgevents.events_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  event record;
BEGIN
  IF NEW.id IS NOT NULL OR NEW.ts IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'id and ts are given at COMMIT: leave them out');
  END IF;
  event := pgevents.split_data(NEW.data, '{type,data}');
  IF pgevents.is_plain(NEW.channel_id, event.type, NEW.expires_at) IS NOT TRUE THEN
    PERFORM pgevents.remark(NEW.channel_id, event.type, NEW.expires_at);
  END IF;
  IF event.unknown IS NOT NULL THEN
    PERFORM pgevents.complain('unknown_members', format('Member %s is unknown: an event has type and data', event.unknown));
  END IF;
  INSERT INTO pgevents.staging (channel_id, type, data, expires_at, staged_at)
    VALUES (NEW.channel_id, event.type, event.inner_data, NEW.expires_at, now());
  RETURN NEW;
END
$$;
CREATE OR REPLACE FUNCTION pgevents.events_refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'Events cannot be changed or deleted'
    USING ERRCODE = 'PT405', DETAIL = '{"code":"METHOD_NOT_ALLOWED"}',
          HINT = 'Publish another event. Old events are removed by pgevents.prune() after the setting "retention".';
END
$$;

CREATE CONSTRAINT TRIGGER staging_sequence AFTER INSERT ON pgevents.staging
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgevents.staging_sequence();
-- ALWAYS: events published by a trigger in the apply worker of logical replication must not stay here for ever.
ALTER TABLE pgevents.staging ENABLE ALWAYS TRIGGER staging_sequence;

-- ALWAYS: it also fires in the apply worker of logical replication, so that servers can LISTEN on a replica.
CREATE TRIGGER log_notify AFTER INSERT ON pgevents.log
  FOR EACH ROW EXECUTE FUNCTION pgevents.log_notify();
ALTER TABLE pgevents.log ENABLE ALWAYS TRIGGER log_notify;

CREATE VIEW pgevents.events AS
  SELECT id, channel_id, ts, json_build_object('type', type, 'data', data) AS data, expires_at
    FROM pgevents.log;
COMMENT ON VIEW pgevents.events IS 'Insert (channel_id, data) to publish; select to read the log';

CREATE TRIGGER events_insert INSTEAD OF INSERT ON pgevents.events
  FOR EACH ROW EXECUTE FUNCTION pgevents.events_insert();
CREATE TRIGGER events_refuse_change INSTEAD OF UPDATE OR DELETE ON pgevents.events
  FOR EACH ROW EXECUTE FUNCTION pgevents.events_refuse_change();
