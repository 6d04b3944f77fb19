-- pgevents.ready_start(): where the search for turns that have no ids yet begins, and what it finds first.
-- Parameters: none; the caller holds the lock "append" and is READ COMMITTED.
-- Returns:    n: the first turn in ready; NULL: none is there. after, passed: a turn that has no ids is behind `after`,
--             or belongs to one of the transactions `passed`; last, made_by: of the mark, NULL without one.
-- Errors:     none.
-- Tables:     ready_marks, generations, ready (read; the sequence ready_low).
-- A mark of an earlier generation does not count: it may come from a dump. `+ 0` keeps the planner from the index of n,
-- where it would visit each row that was removed behind ready_low.
CREATE OR REPLACE FUNCTION pgevents.ready_start(OUT n bigint, OUT after bigint, OUT passed xid8[], OUT last bigint,
  OUT made_by xid8)
LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET jit = off AS $$
DECLARE
  low bigint := pg_sequence_last_value('pgevents.ready_low'::regclass);
BEGIN
  SELECT m.after, m.passed, m.last, m.made_by INTO after, passed, last, made_by FROM pgevents.ready_marks m
   WHERE m.generation = (SELECT max(g.first_id) FROM pgevents.generations g) ORDER BY m.last DESC LIMIT 1;
  IF after > low THEN
    n := (SELECT min(r.n + 0) FROM pgevents.ready r WHERE r.left_by = ANY (passed) AND r.n + 0 <= after);
  ELSE
    after := low;
    passed := '{}';
  END IF;
  IF n IS NULL THEN
    n := (SELECT r.n FROM pgevents.ready r WHERE r.n > after ORDER BY r.n LIMIT 1);
  END IF;
END
$$;
