-- pgevents.mark_settled(): moves ready_low up to the first turn that still waits for its ids, or to the last number.
-- Parameters: none; the caller holds the lock "append" and is READ COMMITTED.
-- Returns:    whether everything is settled now; false also if another transaction is leaving events just now.
-- Errors:     none.
-- Tables:     ready (read; the sequences ready_n, ready_low).
-- A transaction that leaves events holds the lock "leaving" shared until it has ended. If this one gets it alone, every
-- turn number drawn so far belongs to a transaction that has ended: what a new snapshot does not show in ready has its
-- ids, or was rolled back. That is certain whatever becomes of this transaction, unless it has removed rows of ready
-- itself: then it marks nothing. The mark may be too low, but never too high: turns below it are not looked at again.
CREATE OR REPLACE FUNCTION pgevents.mark_settled() RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  low  bigint := pg_sequence_last_value('pgevents.ready_low'::regclass);
  last bigint;
BEGIN
  IF EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = 'pgevents.ready'::regclass
                AND l.mode = 'RowExclusiveLock')
     OR NOT pg_try_advisory_xact_lock(1885824374, 5) THEN  -- lock "leaving"
    RETURN false;
  END IF;
  last := pg_sequence_last_value('pgevents.ready_n'::regclass);
  last := coalesce((SELECT s.n - 1 FROM pgevents.ready_start() s), last);
  IF last > low THEN
    PERFORM setval('pgevents.ready_low', last);
  END IF;
  RETURN pgevents.is_settled();
END
$$;
