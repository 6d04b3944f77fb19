-- pgevents.mark_passed(): lets the search for turns in ready begin further on, though transactions that have left
-- events stay open. The search would read more and more removed rows otherwise.
-- Parameters: none; the caller holds the lock "append", is READ COMMITTED, and has written nothing yet.
-- Returns:    nothing.
-- Errors:     none.
-- Tables:     ready_marks (insert, delete), generations, ready (read, through ready_start(); the sequence ready_n).
-- A transaction has its number (xid) before it draws one for its events. The mark before this one recorded the last
-- number, and only then drew its own xid, and has committed. So the turns up to that number belong to transactions with
-- smaller xids, and a snapshot taken now lists those that are open. All others have ended: their turns are visible in
-- ready, have their ids, or were rolled back. The snapshot comes first: what commits after it is in the list, and
-- perhaps also visible.
CREATE OR REPLACE FUNCTION pgevents.mark_passed() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  drawn bigint := pg_sequence_last_value('pgevents.ready_n'::regclass);
  open_ xid8[] := ARRAY(SELECT pg_snapshot_xip(pg_current_snapshot()));
  start record;
BEGIN
  SELECT * INTO start FROM pgevents.ready_start();
  IF start.n <= start.after THEN
    RETURN;  -- a transaction that was passed has committed: its events get their ids first
  ELSIF start.last > start.after THEN
    start.after := least(start.last, start.n - 1);
    start.passed := ARRAY(SELECT o FROM unnest(open_) o WHERE o < start.made_by);
  END IF;
  DELETE FROM pgevents.ready_marks m
   WHERE m.generation = (SELECT max(g.first_id) FROM pgevents.generations g) AND m.last = start.last;
  INSERT INTO pgevents.ready_marks (generation, last, after, passed)
    SELECT max(g.first_id), drawn, start.after, start.passed FROM pgevents.generations g;
END
$$;
