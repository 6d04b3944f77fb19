-- Migration 6: a crash of the server begins a new generation of the log, too. Transactions that were committed
-- asynchronously are delivered before they are safe (PostgreSQL manual, "Asynchronous Commit"), and a crash may lose
-- the last of them.
CREATE UNLOGGED TABLE pgevents.crash_mark (
  is_set boolean PRIMARY KEY DEFAULT true CHECK (is_set)
);
COMMENT ON TABLE pgevents.crash_mark IS 'One row, which a crash takes away, as it empties every unlogged table';

INSERT INTO pgevents.crash_mark DEFAULT VALUES;
