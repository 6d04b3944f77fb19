-- Migration 12: copies of the log by logical replication, which know that they are copies.

CREATE TABLE pgevents.copy_mark (
  is_set boolean PRIMARY KEY DEFAULT true CHECK (is_set),
  since  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pgevents.copy_mark IS 'One row from become_copy() to promote_copy(): this database gives no ids';
