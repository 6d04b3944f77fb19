-- pgevents.watch_statements(relation, channel, columns, type, old_values): the statements that watch() executes.
-- Parameters: as watch().
-- Returns:    them, in order.
-- Errors:     as watch(), except that every role may ask.
-- Tables:     none.
-- Triggers FOR EACH ROW, because partitions inherit them, those that are added later, too. Statement triggers with
-- transition tables are no faster here, and would see no statement that names a partition. The function belongs to the
-- owner of the table, so that those who write there need no rights in pgevents. No other role may attach it to another
-- table, whatever default privileges there are. The settings are those that the text of values depends on. The
-- triggers' argument is for unwatch().
CREATE OR REPLACE FUNCTION pgevents.watch_statements(relation regclass, channel text, columns text[],
  type text DEFAULT NULL, old_values boolean DEFAULT false) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  watched  pg_class := (SELECT c FROM pg_class c WHERE c.oid = relation);
  name     text;
  function text;
BEGIN
  type := coalesce(type, watched.relname);
  old_values := coalesce(old_values, false);
  PERFORM pgevents.watch_check(relation, columns, type);
  name := pgevents.watch_name(relation);
  function := format('%s.%I', watched.relnamespace::regnamespace, name);
  RETURN ARRAY[
    format('CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER '
           'SET search_path = pg_catalog, pg_temp SET TimeZone = ''UTC'' SET DateStyle = ''ISO, YMD'' '
           'SET IntervalStyle = postgres SET bytea_output = hex SET extra_float_digits = 1 SET row_security = off '
           'AS %L', function, pgevents.watch_body(relation, channel, columns, type, old_values)),
    format('COMMENT ON FUNCTION %s() IS %L', function, format(
      'pgevents.watch(%L, channel => %L, columns => %L, type => %L, old_values => %L)', relation, channel, columns,
      type, old_values)),
    format('REVOKE ALL ON FUNCTION %s() FROM %s', function, concat_ws(', ', 'PUBLIC', (
      SELECT string_agg(DISTINCT a.grantee::regrole::text, ', ') FROM pg_default_acl d, aclexplode(d.defaclacl) a
       WHERE d.defaclobjtype = 'f' AND a.grantee NOT IN (0, watched.relowner)))),
    format('ALTER FUNCTION %s() OWNER TO %s', function, watched.relowner::regrole),
    format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION %s(%L)',
           name || '_row', relation, function, channel),
    format('CREATE TRIGGER %I BEFORE TRUNCATE ON %s EXECUTE FUNCTION %s(%L)',
           name || '_truncate', relation, function, channel)];
END
$$;
