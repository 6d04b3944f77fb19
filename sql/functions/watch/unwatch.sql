-- pgevents.unwatch(relation, channel): ends what watch() has begun.
-- Parameters: relation: a table of the caller's; channel: the template (NULL: all of the table's).
-- Returns:    how many channels were watched.
-- Errors:     42501 if the caller does not own the table.
-- Tables:     none.
-- With the rights of the caller. A trigger is recognised by its name, which is that of its function and a suffix. The
-- owner of a table may drop each of its triggers, but not the function of another role, such as a former owner or one
-- that may make triggers. Such a function, or one that another table uses, is left, with a notice.
CREATE OR REPLACE FUNCTION pgevents.unwatch(relation regclass, channel text DEFAULT NULL) RETURNS int
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  watch record;
  name  text;
  ended int := 0;
BEGIN
  FOR watch IN
    SELECT p.oid::regprocedure AS function, p.proowner::regrole AS owner, array_agg(t.tgname::text) AS triggers
      FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE t.tgrelid = relation AND t.tgparentid = 0 AND starts_with(p.proname, 'pgevents_watch_')
       AND substr(t.tgname, length(p.proname) + 1) IN ('_row', '_truncate')
       AND starts_with(t.tgname, p.proname)
       AND CASE WHEN t.tgnargs = 1 AND channel IS NOT NULL
                THEN convert_from(substr(t.tgargs, 1, length(t.tgargs) - 1), 'UTF8') = channel ELSE channel IS NULL END
     GROUP BY p.oid, p.proowner ORDER BY p.oid
  LOOP
    FOREACH name IN ARRAY watch.triggers LOOP
      EXECUTE format('DROP TRIGGER %I ON %s', name, relation);
    END LOOP;
    BEGIN
      EXECUTE format('DROP FUNCTION %s', watch.function);
    EXCEPTION WHEN insufficient_privilege OR dependent_objects_still_exist THEN
      RAISE NOTICE USING MESSAGE = format('The function %s is left: %s', watch.function, SQLERRM),
        HINT = format('%s may drop it; it is no longer a trigger of %s.', watch.owner, relation);
    END;
    ended := ended + 1;
  END LOOP;
  RETURN ended;
END
$$;
