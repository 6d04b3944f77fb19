-- pgevents.copy_guard(is_on): gives the tables of a copy the trigger copy_refuses, or takes it from them.
-- Parameters: is_on.
-- Returns:    nothing.
-- Errors:     42501 if the caller does not own the tables.
-- Tables:     staging and copied_tables() (CREATE TRIGGER, DROP TRIGGER).
-- A primary does not have the triggers, so that publishing costs nothing there. Events are refused where they are
-- staged, in the statement that publishes: without the trigger only COMMIT would be rejected (check_generation()).
CREATE OR REPLACE FUNCTION pgevents.copy_guard(is_on boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY pgevents.copied_tables() || ARRAY['staging', 'staging_rest'] LOOP
    IF EXISTS (SELECT FROM pg_trigger t
                WHERE t.tgrelid = format('pgevents.%I', name)::regclass AND t.tgname = 'copy_refuses') THEN
      EXECUTE format('DROP TRIGGER copy_refuses ON pgevents.%I', name);
    END IF;
    IF is_on THEN
      EXECUTE format('CREATE TRIGGER copy_refuses BEFORE %s ON pgevents.%I FOR EACH STATEMENT '
                     'EXECUTE FUNCTION pgevents.copy_refuses()',
                     CASE WHEN starts_with(name, 'staging') THEN 'INSERT' ELSE 'INSERT OR UPDATE OR DELETE' END, name);
    END IF;
  END LOOP;
END
$$;
