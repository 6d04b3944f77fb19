-- Called by install.sql, last: the roles, and every right that they have. Nothing is granted anywhere else.
--   pgevents_server     what the nginx module and the fallback need: execute its functions, read no table
--   pgevents_publisher  what an application needs: publish, nothing else
-- Both are groups without login: GRANT pgevents_publisher TO my_application.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['pgevents_server', 'pgevents_publisher'] LOOP
    CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
    EXCEPTION
      -- Roles belong to the whole cluster: an installation in another database may have been quicker.
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'pgevents: role % is missing and % may not create it', wanted, current_user
          USING HINT = 'Let an administrator run: '
            'CREATE ROLE pgevents_server NOLOGIN; CREATE ROLE pgevents_publisher NOLOGIN;';
    END;
  END LOOP;
END
$$;

-- What an administrator has granted to other roles stays.
REVOKE ALL ON SCHEMA pgevents FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA pgevents FROM PUBLIC, pgevents_server, pgevents_publisher;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA pgevents FROM PUBLIC, pgevents_server, pgevents_publisher;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgevents FROM PUBLIC, pgevents_server, pgevents_publisher;

GRANT USAGE ON SCHEMA pgevents TO pgevents_server, pgevents_publisher;

GRANT INSERT ON pgevents.events TO pgevents_publisher;
GRANT EXECUTE ON FUNCTION pgevents.publish(text, text, json, interval) TO pgevents_publisher;

GRANT EXECUTE ON FUNCTION pgevents.head() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.log_after(bigint, int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.fetch(text[], bigint, bigint, int, bigint) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.listener_start(bigint, bigint, int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_publish(jsonb, text, text, text) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.prune(int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.status() TO pgevents_server;
