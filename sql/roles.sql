-- Called by install.sql, last but one: grants every right that the roles have (make_roles.sql makes them). No other
-- file grants anything.
--   pgevents_server     for the nginx module and the fallback: executes their functions, reads no table
--   pgevents_publisher  for an application: publishes, nothing else
--   pgevents_admin      for administering users: fills the directory, revokes tokens, ends streams, nothing else
-- All are groups without login: GRANT pgevents_publisher TO my_application.

-- Rights that an administrator has granted to other roles stay.
REVOKE ALL ON SCHEMA pgevents FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA pgevents FROM PUBLIC, pgevents_server, pgevents_publisher, pgevents_admin;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA pgevents FROM PUBLIC, pgevents_server, pgevents_publisher, pgevents_admin;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pgevents FROM PUBLIC, pgevents_server, pgevents_publisher, pgevents_admin;

GRANT USAGE ON SCHEMA pgevents TO pgevents_server, pgevents_publisher, pgevents_admin;

GRANT INSERT ON pgevents.events TO pgevents_publisher;
GRANT EXECUTE ON FUNCTION pgevents.publish(text, text, json, interval) TO pgevents_publisher;
-- A role that may call the form with json may call the others: literals go to that with text since version 11.
DO $$
DECLARE
  grantee text;
BEGIN
  FOR grantee IN SELECT a.grantee::regrole FROM pg_proc p, aclexplode(p.proacl) a
                  WHERE p.oid = 'pgevents.publish(text, text, json, interval)'::regprocedure
                    AND a.grantee <> p.proowner AND a.privilege_type = 'EXECUTE' LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION pgevents.publish(text, text, jsonb, interval), '
                   'pgevents.publish(text, text, text, interval) TO %s', grantee);
  END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION pgevents.watch(regclass, text, text[], text, boolean) TO pgevents_publisher;
GRANT EXECUTE ON FUNCTION pgevents.watch_statements(regclass, text, text[], text, boolean) TO pgevents_publisher;
GRANT EXECUTE ON FUNCTION pgevents.unwatch(regclass, text) TO pgevents_publisher;
GRANT EXECUTE ON FUNCTION pgevents.channel_value(text, text) TO pgevents_publisher;

GRANT EXECUTE ON FUNCTION pgevents.revoke(text, timestamptz) TO pgevents_admin;
GRANT EXECUTE ON FUNCTION pgevents.disconnect(text) TO pgevents_admin;
DO $$
BEGIN
  -- Missing while install.sql stops at an earlier version.
  IF to_regclass('pgevents.users') IS NOT NULL THEN
    GRANT SELECT, INSERT, UPDATE, DELETE ON pgevents.users, pgevents.streams, pgevents.stream_members TO pgevents_admin;
  END IF;
  IF to_regclass('pgevents.outbox') IS NOT NULL THEN
    GRANT INSERT, SELECT ON pgevents.outbox TO pgevents_publisher;  -- RETURNING needs SELECT; it shows no rows
  END IF;
END
$$;

GRANT EXECUTE ON FUNCTION pgevents.head() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.log_after(bigint, int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.fetch(text[], bigint, bigint, int, bigint) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.listener_start(bigint, bigint, int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_publish(jsonb, text, text, text) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_publish_many(jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.revocations() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.token_revoked(text, bigint) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_register(jsonb, jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_typing(jsonb, jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_settings(jsonb, jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_report_presence(jsonb, jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_report_presence_many(jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_user_presence(jsonb, jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_realm_presence(jsonb, jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.http_presence_state(jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.presence_report(jsonb, bigint, timestamptz) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.holder_open() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.holder_close(bigint) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.presence_contacts(bigint, jsonb) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.presence_poll(jsonb, int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.presence_tick() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.sequence(int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.sequencer_ready() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.sequencer_begin() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.sequencer_end() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.publishers_waiting() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.prune(int) TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.schema_version() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.status() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.is_copy() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.copy_state() TO pgevents_server;
GRANT EXECUTE ON FUNCTION pgevents.copy_lag(bigint) TO pgevents_server;
