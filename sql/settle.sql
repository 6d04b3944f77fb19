-- Called by install.sql, last: repairs what a restored dump, or a move to another server, has left.
DO $$
DECLARE
  lost record;
BEGIN
  -- Logical replication does not copy sequences: after moving to such a copy the next id must not lie behind the log.
  PERFORM setval('pgevents.log_id_seq', pgevents.head())
    FROM pgevents.log_id_seq s WHERE s.last_value < pgevents.head() AND pgevents.head() > 1;

  -- pg_restore --disable-triggers turns triggers that fire ALWAYS into plain ones, which replication workers skip. Only
  -- those are altered, because the change locks out publishers until the end of the transaction.
  FOR lost IN
    SELECT t.tgrelid::regclass AS relation, t.tgname FROM pg_trigger t
     WHERE t.tgrelid IN ('pgevents.staging'::regclass, 'pgevents.log'::regclass)
       AND t.tgname IN ('staging_sequence', 'log_notify') AND t.tgenabled <> 'A'
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', lost.relation, lost.tgname);
  END LOOP;
  FOR lost IN
    SELECT t.tgrelid::regclass AS relation, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = 'pgevents'::regnamespace AND t.tgname IN
       ('events_insert', 'events_refuse_change', 'settings_check', 'settings_found_before', 'settings_found_after')
       AND t.tgenabled = 'D'
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', lost.relation, lost.tgname);
  END LOOP;

  -- Staged rows that are visible here are committed and in the log, or come from a dump.
  DELETE FROM pgevents.staging;
END
$$;
