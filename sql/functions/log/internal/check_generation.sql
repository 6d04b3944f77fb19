-- pgevents.check_generation(): begins a new generation of ids if this is not the place where the last one was begun, or if the
-- server has crashed since. It is told by an event on pgevents' own channel, {"after":…}, which has the first id.
-- Parameters: none; the caller holds the lock under which ids are given.
-- Returns:    nothing.
-- Errors:     40001 at REPEATABLE READ and above, if another transaction does the same at the same time.
-- Tables:     generations (read, insert), crash_mark (read, insert), log (read, insert), history (read).
-- The first one begins with the first event, not with the installation: so a dump can be restored into an empty one.
-- Once for each session: none has given ids before a promotion or outlives a crash, and afterwards nothing changes while it lives.
CREATE OR REPLACE FUNCTION pgevents.check_generation() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  here text;
  there text;
  head bigint;
  next bigint;
BEGIN
  -- Not there while install.sql stops at an earlier version.
  IF to_regclass('pgevents.crash_mark') IS NULL THEN
    RETURN;
  END IF;
  here := pgevents.generation_place();
  SELECT g.place INTO there FROM pgevents.generations g ORDER BY g.first_id DESC LIMIT 1;
  IF NOT FOUND THEN
    INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (1, 0, here) ON CONFLICT DO NOTHING;
    INSERT INTO pgevents.crash_mark DEFAULT VALUES ON CONFLICT DO NOTHING;
  ELSIF here <> there OR NOT EXISTS (SELECT FROM pgevents.crash_mark) THEN
    head := pgevents.head();
    next := greatest(head, (SELECT s.last_value FROM pgevents.log_id_seq s)) + 1000000000;
    INSERT INTO pgevents.generations (first_id, after_id, place) VALUES (next, head, here);
    INSERT INTO pgevents.crash_mark DEFAULT VALUES ON CONFLICT DO NOTHING;
    PERFORM setval('pgevents.log_id_seq', next);
    INSERT INTO pgevents.log (id, channel_id, ts, type, data)
      VALUES (next, 'pgevents.control', clock_timestamp(), 'pgevents.generation', json_build_object('after', head));
  END IF;
  PERFORM set_config('pgevents.generation_checked', 'yes', false);
END
$$;
