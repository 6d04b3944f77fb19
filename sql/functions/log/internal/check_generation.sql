-- pgevents.check_generation(): begins a new generation of ids if the last one was begun in another place
-- (generation_place()) or the server has crashed since. An event on pgevents' own channel, {"after":…}, reports it and
-- has the first id of the generation. Does nothing if the session has checked that (generation_is_checked()).
-- Parameters: none; the caller holds the lock "append".
-- Returns:    nothing.
-- Errors:     PT503 on a copy, whose ids the primary gives. 40001 at REPEATABLE READ and above, if another transaction
--             has begun the generation, and this one's snapshot does not show it. Before that it has changed nothing.
-- Tables:     generations (read, insert), crash_mark (read, insert, delete), log (read, insert), history, ready
--             (read); the sequences of ready, and generation_seen.
-- The first generation begins with the first event, not with the installation, so that a dump can be restored into an
-- empty log. One check in each session is enough: no session has assigned ids before a promotion or outlives a crash,
-- and nothing changes later while the session lives. But the transaction that begins a generation may be rolled back,
-- so the session has checked only when a transaction of it finds nothing to do, and has not written the mark itself. A
-- dump may bring events in ready with marks that are newer than they are, or older: whatever is there is looked at
-- again. The mark is renewed because that conflicts, whereas two generations with different first ids would not.
CREATE OR REPLACE FUNCTION pgevents.check_generation() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  here   text;
  there  text;
  head   bigint;
  next   bigint;
  is_new boolean := true;
BEGIN
  IF pgevents.generation_is_checked() THEN
    RETURN;
  END IF;
  PERFORM pgevents.primary_only();
  here := pgevents.generation_place();
  SELECT g.place INTO there FROM pgevents.generations g ORDER BY g.first_id DESC LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (1, 0, here) ON CONFLICT DO NOTHING;
    INSERT INTO pgevents.crash_mark DEFAULT VALUES ON CONFLICT DO NOTHING;
  ELSIF here <> there OR NOT EXISTS (SELECT FROM pgevents.crash_mark) THEN
    head := pgevents.head();
    next := pgevents.generation_start(greatest(head, (SELECT s.last_value FROM pgevents.log_id_seq s)));
    DELETE FROM pgevents.crash_mark;
    INSERT INTO pgevents.crash_mark DEFAULT VALUES ON CONFLICT DO NOTHING;
    PERFORM pgevents.begin_generation(next, head, here);
  ELSE
    is_new := false;
  END IF;
  IF is_new THEN
    PERFORM setval('pgevents.ready_low', 1);
    IF pg_sequence_last_value('pgevents.ready_n'::regclass) < (SELECT max(r.n) FROM pgevents.ready r) THEN
      PERFORM setval('pgevents.ready_n', (SELECT max(r.n) FROM pgevents.ready r));
    END IF;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.relation = 'pgevents.crash_mark'::regclass
                    AND l.mode = 'RowExclusiveLock') THEN
    PERFORM nextval('pgevents.generation_seen'),
      set_config('pgevents.generation_checked', 'pgevents.generation_seen'::regclass::oid::text, false);
  END IF;
END
$$;
