-- pgevents.create_publication(reader): on the primary, publishes what copies need as the publication pgevents.
-- Parameters: reader: the role as which copies connect, which gets the rights to read what is published; NULL: it has
--             them, as a superuser does.
-- Returns:    the statement to run on a copy, for psql, with the host left open.
-- Errors:     PT403, PT409 (copy_owner()); PT403 without CREATE on the database; PT409 if wal_level is not logical, or
--             a publication pgevents leaves something out; 42704 if there is no such role.
-- Tables:     none; those of copied_tables() are published.
-- It may be called again, and then adds what is missing, for example after an upgrade. Other tables in the publication
-- stay, except those of pgevents that must not be copied: their rows would collide with a copy's own.
CREATE OR REPLACE FUNCTION pgevents.create_publication(reader text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known  record;
  change record;
BEGIN
  PERFORM pgevents.copy_owner();
  IF current_setting('wal_level') <> 'logical' THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', format('wal_level is %s: set "wal_level = logical" in '
      'postgresql.conf and restart PostgreSQL', current_setting('wal_level')));
  ELSIF NOT has_database_privilege(current_database(), 'CREATE') THEN
    PERFORM pgevents.raise_error(403, 'FORBIDDEN', format('%s may not create a publication: GRANT CREATE ON DATABASE '
      '%I TO %s', current_user, current_database(), quote_ident(current_user)));
  END IF;
  SELECT p.oid, p.puballtables, p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AS is_whole INTO known
    FROM pg_publication p WHERE p.pubname = 'pgevents';
  IF known.oid IS NULL THEN
    CREATE PUBLICATION pgevents;
    known.oid := (SELECT p.oid FROM pg_publication p WHERE p.pubname = 'pgevents');
  ELSIF known.puballtables OR NOT known.is_whole THEN
    PERFORM pgevents.raise_error(409, 'CONFLICT', 'There is a publication "pgevents" of all tables, or without all '
      'kinds of changes: DROP PUBLICATION pgevents, or rename it');
  END IF;
  FOR change IN
    SELECT c.relname, c.relname = ANY (pgevents.copied_tables()) AS is_wanted
      FROM pg_class c LEFT JOIN pg_publication_rel r ON r.prrelid = c.oid AND r.prpubid = known.oid
     WHERE c.relnamespace = 'pgevents'::regnamespace AND c.relkind = 'r'
       AND c.relname NOT IN ('users', 'streams', 'stream_members')
       AND (c.relname = ANY (pgevents.copied_tables())) = (r.prrelid IS NULL)
  LOOP
    EXECUTE format('ALTER PUBLICATION pgevents %s TABLE pgevents.%I',
      CASE WHEN change.is_wanted THEN 'ADD' ELSE 'DROP' END, change.relname);
  END LOOP;
  IF reader IS NOT NULL THEN
    EXECUTE format('GRANT USAGE ON SCHEMA pgevents TO %I', reader);
    EXECUTE format('GRANT SELECT ON %s TO %I',
      (SELECT string_agg(format('pgevents.%I', t), ', ') FROM unnest(pgevents.copied_tables()) t), reader);
  END IF;
  RETURN format('SELECT pgevents.become_copy(%L, %s) \gexec',
    format('host=… port=%s dbname=%s user=%s', current_setting('port'), current_database(),
           coalesce(reader, current_user)),
    (SELECT v.version FROM pgevents.schema_version() v));
END
$$;
