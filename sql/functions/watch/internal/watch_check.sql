-- pgevents.watch_check(relation, columns, type): rejects a table or columns that cannot be watched.
-- Parameters: relation: the table; columns: the columns to publish; type: the beginning of the events' types.
-- Returns:    nothing.
-- Errors:     PT400; 42501 if the owner of the table may not publish.
-- Tables:     none.
-- The owner must be able to publish, because the trigger's function runs with the owner's rights. Tables that inherit,
-- unlike partitions, do not inherit triggers. A deferrable key would let a row take the key of another one before that
-- one has left it: subscribers would delete the wrong row.
CREATE OR REPLACE FUNCTION pgevents.watch_check(relation regclass, columns text[], type text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
  watched pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
  wrong   text := (SELECT w.name FROM unnest(columns) WITH ORDINALITY w (name, n) LEFT JOIN pg_attribute a
                     ON a.attrelid = relation AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
                  WHERE a.attname IS NULL ORDER BY w.n LIMIT 1);
  fault   text := CASE
    WHEN (watched.relkind IN ('r', 'p')) IS NOT TRUE
      THEN format('%s is not a table', coalesce(relation::text, 'NULL'))
    WHEN watched.relpersistence = 't' THEN format('%s is a temporary table', relation)
    WHEN watched.relnamespace IN ('pgevents'::regnamespace, 'pg_catalog'::regnamespace)
      THEN format('%s is a table of the system', relation)
    WHEN watched.relispartition THEN format('%s is a partition: watch the partitioned table', relation)
    WHEN EXISTS (SELECT FROM pg_inherits i WHERE watched.relkind = 'r' AND relation IN (i.inhparent, i.inhrelid))
      THEN format('%s inherits, or is inherited from', relation)
    WHEN EXISTS (SELECT FROM pg_index i WHERE i.indrelid = relation AND i.indisprimary AND NOT i.indimmediate)
      THEN format('the primary key of %s is deferrable', relation)
    WHEN coalesce(cardinality(columns), 0) = 0 THEN 'name the columns to publish'
    WHEN array_ndims(columns) > 1 THEN 'the list of columns has more than one dimension'
    WHEN '*' = ANY (columns) THEN 'name the columns: * would publish those that are added later'
    WHEN array_position(columns, NULL) IS NOT NULL THEN 'a column is NULL'
    WHEN wrong IS NOT NULL THEN format('%s has no column %I', relation, wrong)
    WHEN cardinality(columns) <> (SELECT count(DISTINCT name) FROM unnest(columns) name) THEN 'a column occurs twice'
    WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = ANY (columns)
                    AND a.attgenerated NOT IN ('', 's')) THEN 'triggers do not see virtual generated columns'
    WHEN type = '' THEN 'the type is empty'
    ELSE pgevents.event_fault('c', type || '_created', NULL) END;
BEGIN
  IF fault IS NOT NULL THEN
    PERFORM pgevents.raise_error(400, 'BAD_REQUEST', 'Cannot watch: ' || fault);
  ELSIF NOT (has_schema_privilege(watched.relowner, 'pgevents', 'USAGE')
             AND has_function_privilege(watched.relowner, 'pgevents.channel_value(text, text)', 'EXECUTE')
             AND has_function_privilege(watched.relowner, 'pgevents.publish(text, text, json, interval)', 'EXECUTE'))
  THEN
    RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('Role %s, which owns %s, may not publish',
      watched.relowner::regrole, relation), HINT = format('GRANT pgevents_publisher TO %s', watched.relowner::regrole);
  END IF;
END
$$;
