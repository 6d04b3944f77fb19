-- pgevents.fed_since(): since when the process that feeds this log from its primary has been running.
-- Parameters: none.
-- Returns:    timestamptz; NULL if there is none, or the owner may not see it (on a standby pg_read_all_stats may).
-- Errors:     none.
-- Tables:     none.
-- PostgreSQL ends the process with its connection: a primary that crashes is followed by another process.
CREATE OR REPLACE FUNCTION pgevents.fed_since() RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT min(a.backend_start) FROM pg_stat_activity a
     WHERE a.pid IN (
       SELECT s.pid FROM pg_stat_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.subid
        WHERE s.relid IS NULL AND r.srrelid = 'pgevents.log'::regclass
       UNION ALL SELECT w.pid FROM pg_stat_wal_receiver w));
END
$$;
