-- Migration 9: what status() reports about pruning; when autovacuum cleans the log.

-- The row is written when something was removed, and once an hour otherwise, so that an idle database stays idle.
CREATE TABLE pgevents.prunes (
  only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  pruned_at     timestamptz NOT NULL,
  removed       bigint NOT NULL,
  removed_total bigint NOT NULL
);
COMMENT ON TABLE pgevents.prunes IS 'The last call of prune(), and how many rows all calls have removed (one row)';

-- In steady operation as many events are pruned as published. PostgreSQL's default waits until a fifth of the log is
-- dead, and then reads all of it at once. A value that the administrator has set stays.
DO $$
DECLARE
  wanted text[];
BEGIN
  FOREACH wanted SLICE 1 IN ARRAY ARRAY[
    ['autovacuum_vacuum_scale_factor', '0.05'], ['autovacuum_vacuum_insert_scale_factor', '0.05'],
    ['autovacuum_analyze_scale_factor', '0.05']]
  LOOP
    IF NOT EXISTS (SELECT FROM pg_class c, pg_options_to_table(c.reloptions) o
                    WHERE c.oid = 'pgevents.log'::regclass AND o.option_name = wanted[1]) THEN
      EXECUTE format('ALTER TABLE pgevents.log SET (%I = %s)', wanted[1], wanted[2]);
    END IF;
  END LOOP;
END
$$;
