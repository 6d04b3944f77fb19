-- Migration 5: generations of the log, so that a log that has lost its last events is not taken for whole.

-- A database that was restored, or a standby that was promoted, may lack events that were delivered. Ids then go on far behind all
-- that can have been lost, and whoever has a cursor in between knows something that is not here.
CREATE TABLE pgevents.generations (
  first_id bigint PRIMARY KEY,  -- the first id of this generation
  after_id bigint NOT NULL,     -- the last id before it, as far as it is here
  place    text NOT NULL,       -- generation_place() at that time
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (after_id < first_id)
);
COMMENT ON TABLE pgevents.generations IS 'Ids between after_id and first_id were given by another database, or by none';

\ir ../functions/generation_place.sql
INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (1, 0, pgevents.generation_place());
