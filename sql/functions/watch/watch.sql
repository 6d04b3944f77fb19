-- pgevents.watch(relation, channel, columns, type, old_values): publishes each change of a table's rows from now on.
-- Parameters: relation: a table of the caller's; channel: a template, 'order:{id}'; columns: those to publish; type:
--             the beginning of the events' types (NULL: the table's name); old_values: whether an update's event has
--             the values before.
-- Returns:    nothing.
-- Errors:     PT400; 42501 if the caller does not own the table, or its owner may not publish or create functions in
--             the table's schema.
-- Tables:     none.
-- With the rights of the caller. Watching the same channel again replaces the triggers; unwatch() comes first, because
-- it takes the stronger lock: asking for it second could end in a deadlock.
CREATE OR REPLACE FUNCTION pgevents.watch(relation regclass, channel text, columns text[], type text DEFAULT NULL,
  old_values boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  schema regnamespace := (SELECT c.relnamespace FROM pg_class c WHERE c.oid = relation);
  statement text;
BEGIN
  IF (SELECT pg_has_role(current_user, c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = relation) IS NOT TRUE THEN
    RAISE EXCEPTION 'must be owner of %', relation USING ERRCODE = '42501';
  ELSIF NOT has_schema_privilege(schema, 'CREATE') THEN
    RAISE EXCEPTION 'permission denied for schema %, in which watch() creates a function; GRANT CREATE ON SCHEMA % TO %',
      schema, schema, current_user::regrole USING ERRCODE = '42501';
  END IF;
  PERFORM pgevents.unwatch(relation, channel);
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
  FOREACH statement IN ARRAY pgevents.watch_statements(relation, channel, columns, type, old_values) LOOP
    EXECUTE statement;
  END LOOP;
END
$$;
