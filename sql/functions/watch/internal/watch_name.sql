-- pgevents.watch_name(relation): a name for the function of watching triggers, and the beginning of the triggers'.
-- Parameters: relation: the table.
-- Returns:    a name that neither a function of the table's schema nor a trigger of the table has.
-- Errors:     none.
-- Tables:     none.
-- The table's owner cannot replace what belongs to another role, such as a former owner or one that may make triggers:
-- so a name that is taken must not stop the owner. The partitions get the row trigger, with its name.
CREATE OR REPLACE FUNCTION pgevents.watch_name(relation regclass) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  watched pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
  tables  oid[] := ARRAY(SELECT p.relid::oid FROM pg_partition_tree(relation) p) || watched.oid;
  stem    text := 'pgevents_watch_'
            || CASE WHEN octet_length(watched.relname) <= 30 THEN watched.relname ELSE md5(watched.relname) END;
  name    text := stem;
  n       int := 1;
BEGIN
  WHILE EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = watched.relnamespace AND p.proname = name)
     OR EXISTS (SELECT FROM pg_trigger t
                 WHERE t.tgrelid = ANY (tables) AND t.tgname IN (name || '_row', name || '_truncate')) LOOP
    n := n + 1;
    name := stem || '_' || n;
  END LOOP;
  RETURN name;
END
$$;
