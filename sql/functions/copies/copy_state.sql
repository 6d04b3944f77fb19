-- pgevents.copy_state(): what a front-end shows of the copy that it reads. It asks often, so this costs little;
-- status() has more.
-- Parameters: none.
-- Returns:    one row: is_copy    boolean, as is_copy()
--                      is_running boolean, whether a process applies what the primary sends; NULL if this is no copy
--                      errors     bigint, the errors of the subscription so far; NULL if there is none, and before
--                                 PostgreSQL 15, which does not count them
-- Errors:     none.
-- Tables:     copy_mark (read, through is_fed()).
CREATE OR REPLACE FUNCTION pgevents.copy_state(OUT is_copy boolean, OUT is_running boolean, OUT errors bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  is_copy := pgevents.is_fed();
  IF NOT is_copy THEN
    RETURN;
  END IF;
  is_running := EXISTS (SELECT FROM pg_subscription_rel r JOIN pg_stat_subscription w ON w.subid = r.srsubid
                         WHERE r.srrelid = 'pgevents.log'::regclass AND w.relid IS NULL AND w.pid IS NOT NULL);
  IF to_regclass('pg_catalog.pg_stat_subscription_stats') IS NOT NULL THEN
    EXECUTE 'SELECT sum(e.apply_error_count + e.sync_error_count)::bigint
               FROM pg_catalog.pg_stat_subscription_stats e JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = e.subid
              WHERE r.srrelid = ''pgevents.log''::regclass' INTO errors;
  END IF;
END
$$;
