-- Migration 10: transactions that publish side by side are committed together. A transaction that would have to wait
-- for its ids leaves its events in the table ready; a front-end gives ids to what was left (docs/sql.md, section 4).

-- No transaction that has published is open now: each holds a lock on the table. The rows of committed ones are waste.
DROP TABLE pgevents.staging;

-- Orders the events of one transaction; also numbers its turns.
CREATE SEQUENCE pgevents.staging_ord AS bigint CACHE 100;

-- Events of transactions that have not committed yet; afterwards prune() removes the rows. A turn is what one
-- transaction has published since its last turn: here is its first event, the others are in staging_rest. Without an
-- index, and without a condition for the trigger: PostgreSQL would prepare both anew for each statement. UNLOGGED: rows
-- that a crash could lose here belong to transactions that the crash rolls back.
CREATE UNLOGGED TABLE pgevents.staging (
  -- The turn's number, which the default also makes the number of the turn that is open (turn_number()). NULL: the turn
  -- has no other event.
  turn       bigint DEFAULT set_config('pgevents.turn', nextval('pgevents.staging_ord')::text, true)::bigint,
  channel_id text COLLATE "C" NOT NULL,
  type       text COLLATE "C" NOT NULL,
  data       json NOT NULL,
  expires_at timestamptz,
  staged_at  timestamptz DEFAULT now()  -- another time, or NULL: the row comes from a dump
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE pgevents.staging IS 'Events on their way to the log, which they reach at COMMIT: the first of each turn';

CREATE UNLOGGED TABLE pgevents.staging_rest (
  turn       bigint NOT NULL,
  ord        bigint NOT NULL DEFAULT nextval('pgevents.staging_ord'),
  channel_id text COLLATE "C" NOT NULL,
  type       text COLLATE "C" NOT NULL,
  data       json NOT NULL,
  expires_at timestamptz,
  staged_at  timestamptz DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE pgevents.staging_rest IS 'The further events of each turn, on their way to the log';
CREATE INDEX staging_rest_turn_ord_idx ON pgevents.staging_rest (turn, ord);

-- The second round at COMMIT: a row of staging once more.
CREATE UNLOGGED TABLE pgevents.turns (LIKE pgevents.staging)
  WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
COMMENT ON TABLE pgevents.turns IS 'The first event of each turn, in the second round at COMMIT';

-- In order of (n, ord) the events get their ids. Logged: the transactions are committed.
CREATE TABLE pgevents.ready (
  n          bigint NOT NULL,
  ord        bigint NOT NULL,
  channel_id text COLLATE "C" NOT NULL,
  type       text COLLATE "C" NOT NULL,
  data       json NOT NULL,
  expires_at timestamptz,
  left_by    xid8 DEFAULT pg_current_xact_id(),  -- NULL: neither the first nor the last event of its turn
  PRIMARY KEY (n, ord)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE pgevents.ready IS 'Events of committed transactions that have no ids yet';
CREATE INDEX ready_left_by_idx ON pgevents.ready (left_by) WHERE left_by IS NOT NULL;

-- Where the search for turns in ready begins while a transaction that has left events stays open (mark_passed()); the
-- last row of the generation counts. UNLOGGED: without it the search begins at ready_low.
CREATE UNLOGGED TABLE pgevents.ready_marks (
  generation bigint NOT NULL,
  last       bigint NOT NULL,                                 -- the last number drawn before made_by was
  made_by    xid8 NOT NULL DEFAULT pg_current_xact_id(),
  after      bigint NOT NULL,                                 -- the search begins behind this turn;
  passed     xid8[] NOT NULL,                                 -- only these transactions may still commit earlier ones
  PRIMARY KEY (generation, last)
);
COMMENT ON TABLE pgevents.ready_marks IS 'Where the search for events without ids begins; one row, or none';

-- Read by pg_sequence_last_value(), which no snapshot limits; each has been called, so that it is never NULL.
CREATE SEQUENCE pgevents.ready_n AS bigint;     -- numbers the turns in ready
CREATE SEQUENCE pgevents.ready_low AS bigint;   -- turns up to this number have their ids, or were rolled back
CREATE SEQUENCE pgevents.ready_done AS bigint;  -- roughly how far ids were given: too low or too high does no harm
SELECT nextval('pgevents.ready_n') + nextval('pgevents.ready_low') + nextval('pgevents.ready_done') AS nothing \gset

-- A session that has called nextval() knows that it need not begin a generation (generation_is_checked()).
CREATE SEQUENCE pgevents.generation_seen AS bigint;

-- The triggers need these functions. install.sql replaces them afterwards; sql/functions describes them.
CREATE OR REPLACE FUNCTION pgevents.staging_sequence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION pgevents.turns_sequence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER staging_sequence AFTER INSERT ON pgevents.staging
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgevents.staging_sequence();
CREATE CONSTRAINT TRIGGER turns_sequence AFTER INSERT ON pgevents.turns
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pgevents.turns_sequence();
-- ALWAYS: events published by a trigger in the apply worker of logical replication must not stay here for ever.
ALTER TABLE pgevents.staging ENABLE ALWAYS TRIGGER staging_sequence;
ALTER TABLE pgevents.turns ENABLE ALWAYS TRIGGER turns_sequence;

-- What writes to the log notifies by itself, once in each transaction. The trigger is for apply workers only, so that
-- servers can LISTEN on a replica.
ALTER TABLE pgevents.log ENABLE REPLICA TRIGGER log_notify;

-- :group_commit is "on" in a new installation. In an upgraded one it is "off", because front-ends of an earlier release
-- cannot give ids: the operator sets it to "on" when all of them are replaced.
-- settings_check() does not know the name yet.
ALTER TABLE pgevents.settings DISABLE TRIGGER settings_check;
INSERT INTO pgevents.settings (name, value) VALUES ('group_commit', :'group_commit') ON CONFLICT (name) DO NOTHING;
ALTER TABLE pgevents.settings ENABLE TRIGGER settings_check;
