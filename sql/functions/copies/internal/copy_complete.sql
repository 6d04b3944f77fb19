-- pgevents.copy_complete(): rejects reading on a copy whose tables have not all arrived.
-- Parameters: none.
-- Returns:    nothing.
-- Errors:     PT503 until all tables are copied for the first time.
-- Tables:     copy_mark (read, through is_fed()).
-- Each table is copied on its own at first. A log without its history would not know which events were pruned, and
-- without revocations revoked tokens would be accepted.
CREATE OR REPLACE FUNCTION pgevents.copy_complete() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF pgevents.is_fed() AND (
      NOT EXISTS (SELECT FROM pg_subscription_rel r WHERE r.srrelid = 'pgevents.log'::regclass)
      OR EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid
                  WHERE c.relnamespace = 'pgevents'::regnamespace AND c.relname = ANY (pgevents.copied_tables())
                    AND r.srsubstate <> 'r')) THEN
    PERFORM pgevents.raise_error(503, 'SERVICE_UNAVAILABLE', 'This copy of the log is not complete yet');
  END IF;
END
$$;
