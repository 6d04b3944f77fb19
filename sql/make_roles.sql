-- Called by preflight.sql: makes the roles that are missing. Their rights are in roles.sql.
DO $$
DECLARE
  missing text[] := ARRAY(
    SELECT wanted FROM unnest(ARRAY['pgevents_server', 'pgevents_publisher', 'pgevents_admin']) wanted
     WHERE wanted NOT IN (SELECT rolname FROM pg_roles));
  wanted  text;
BEGIN
  FOREACH wanted IN ARRAY missing LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
    EXCEPTION
      -- Roles belong to the whole cluster: an installation in another database may have made it meanwhile.
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'pgevents: role % is missing and % may not create it', wanted, current_user
          USING HINT = 'Let an administrator run: '
            || (SELECT string_agg(format('CREATE ROLE %I NOLOGIN;', m), ' ') FROM unnest(missing) m);
    END;
  END LOOP;
END
$$;
