-- Called by install.sql, last: repairs what a restored dump, or a move to another server, has left.
DO $$
DECLARE
  lost record;
BEGIN
  -- Logical replication does not copy sequences: after moving to such a copy the next id must not lie behind the log.
  PERFORM setval('pgevents.log_id_seq', pgevents.head())
    FROM pgevents.log_id_seq s WHERE s.last_value < pgevents.head() AND pgevents.head() > 1;

  -- pg_restore --disable-triggers turns triggers that fire ALWAYS, or in replication workers only, into plain ones,
  -- which the workers skip. Only those are altered, because the change locks out publishers until the end of the
  -- transaction.
  FOR lost IN
    SELECT c.oid::regclass AS relation, t.tgname, CASE wanted.state WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END AS state
      FROM (VALUES ('staging', 'staging_sequence', 'A'), ('turns', 'turns_sequence', 'A'), ('log', 'log_notify', 'R')
           ) wanted (name, trigger, state)
      JOIN pg_class c ON c.relname = wanted.name AND c.relnamespace = 'pgevents'::regnamespace
      JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = wanted.trigger AND t.tgenabled::text <> wanted.state
     -- Before version 10 the log notifies by its trigger.
     WHERE to_regclass('pgevents.turns') IS NOT NULL
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', lost.relation, lost.state, lost.tgname);
  END LOOP;
  FOR lost IN
    SELECT t.tgrelid::regclass AS relation, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'pgevents'::regnamespace AND t.tgname IN
       ('events_insert', 'events_refuse_change', 'outbox_insert', 'outbox_refuse_change', 'settings_check',
        'settings_found_before', 'settings_found_after')
       AND t.tgenabled = 'D'
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', lost.relation, lost.tgname);
  END LOOP;

  -- Staged rows that are visible here are committed, and in the log or in ready, or come from a dump.
  DELETE FROM pgevents.staging;
  IF to_regclass('pgevents.turns') IS NOT NULL THEN
    DELETE FROM pgevents.staging_rest;
    DELETE FROM pgevents.turns;
  END IF;
END
$$;
