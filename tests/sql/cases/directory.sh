# shellcheck shell=bash disable=SC2154 # repo and others: set by run.sh
# Users and streams in the application's own tables: the example of docs/sql.md, section 13, on the tables named there.

# example N: the Nth block of SQL below the heading
example() {
  awk -v wanted="$1" '/^### / { on = /^### Views instead of tables/; n = 0 } /^```$/ { code = 0 } on && code && n == wanted
    /^```sql$/ { code = 1; n++ }' "$repo/docs/sql.md"
}

# directory_database VARIABLE
directory_database() {
  fresh_database "$1"
  q "${!1}" "$(example 1)" >/dev/null
  q "${!1}" "INSERT INTO companies VALUES (1, 'main'), (2, 'acme');
    INSERT INTO accounts (id, company_id, kind, blocked_at, preferences)
      VALUES (10, 1, 'person', NULL, '{\"theme\":\"dark\"}'), (11, 1, 'person', NULL, '{}'),
      (12, 1, 'robot', NULL, '{}'), (13, 1, 'person', now(), '{}'), (20, 2, 'person', NULL, '{}'),
        (21, 2, 'person', NULL, '{\"sees_typing\":false}');
    INSERT INTO rooms VALUES (7, 1, 'General', false), (8, 1, 'Old', true), (9, 2, 'Theirs', false);
    INSERT INTO room_accounts VALUES (7, 10), (8, 10), (9, 20);"
  q "${!1}" "BEGIN; $(example 2) COMMIT"
}

# says USER REALM FUNCTION PARAMS: the answer of an http_ function, without its times; or its error
says() {
  q "$database" "SELECT regexp_replace(pgevents.http_$3('{\"user\":\"$1\",\"realm\":\"$2\"}', '$4')::text, '[0-9]{10}(\.[0-9]+)?', 'T', 'g')" 2>&1 |
    sed -n 's/^\(ERROR:  \)\?//; 1p'
}

bound() {
  local database
  directory_database database
  is "$(says 10 main report_presence '{"status":"active","slim_presence":true}')" \
    '{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":1,"presences":{"10":{"active_timestamp":T,"idle_timestamp":T}}}' "report"
  is "$(says 20 acme report_presence '{"status":"active","last_update_id":0}')" \
    '{"result":"success","msg":"","server_timestamp":T,"presence_last_update_id":2,"presences":{"20":{"active_timestamp":T,"idle_timestamp":T}}}' "in another realm"
  is "$(says 12 main report_presence '{"status":"active"}')" "Presence is not supported for bot users." "a robot"
  is "$(says 13 main report_presence '{"status":"active"}')" "No such user" "a blocked user"
  is "$(says 20 main report_presence '{"status":"active"}')" "No such user" "a user of another company"
  is "$(says 10 main user_presence '{"user_id":"11"}')" "No presence data for 11" "a user without presence"
  is "$(says 10 main user_presence '{"user_id":"x"}')" "No such user" "not a number"
  q "$database" "SELECT FROM pgevents.presence_contacts(pgevents.holder_open(), '[{\"realm\":\"main\",\"user\":\"11\"},{\"realm\":\"acme\",\"user\":\"20\"},
    {\"realm\":\"main\",\"user\":\"13\"}]')"
  is "$(q "$database" "SELECT string_agg(realm || user_id, ' ' ORDER BY user_id) FROM pgevents.presence
    WHERE is_connected")" "main11 acme20" "connected"
  [[ $(says 11 main register '{}') == *'"channels":["user:11","presence:main"]'*'"presences":{"10":'*'"11":'*'"presence_connected":["11"]'* ]] ||
    fail "registration: $(says 11 main register '{}')"
}
it "presence works for users in the application's own tables, through the views of docs/sql.md" bound

settings_of_ones_own() {
  local database
  directory_database database
  says 10 main report_presence '{"status":"active"}' >/dev/null
  is "$(says 10 main settings '{"presence_enabled":"false","receives_typing_notifications":false}')" \
    '{"result":"success","msg":""}' "answer"
  is "$(q "$database" "SELECT preferences FROM accounts WHERE id = 10")" \
    '{"theme": "dark", "presence": false, "sees_typing": false}' "what was written"
  is "$(q "$database" "SELECT presence_enabled, idle_at < now() - interval '4 minutes' FROM pgevents.users
    JOIN pgevents.presence USING (realm, user_id)")" "f|t" "presence"
  says 10 main settings '{"presence_enabled":true}' >/dev/null
  is "$(q "$database" "SELECT preferences FROM accounts WHERE id = 10")" \
    '{"theme": "dark", "presence": true, "sees_typing": false}' "on again"
  is "$(q "$database" "SELECT idle_at > now() - interval '4 minutes' FROM pgevents.presence")" t "presence"
}
it "settings are written into the application's own tables" settings_of_ones_own

typing_of_ones_own() {
  local database
  directory_database database
  is "$(says 10 main typing '{"op":"start","to":"[11]"}')" '{"result":"success","msg":""}' "to one"
  is "$(says 10 main typing '{"op":"start","to":"[11,20]"}')" "Invalid user ID 20" "to a user of another company"
  is "$(says 20 acme typing '{"op":"start","to":"[21]"}')" '{"result":"success","msg":""}' "to one who does not want it"
  is "$(says 10 main typing '{"op":"start","type":"stream","stream_id":7,"topic":"x"}')" \
    '{"result":"success","msg":""}' "in a room"
  is "$(says 11 main typing '{"op":"start","type":"stream","stream_id":7,"topic":"x"}')" \
    "Invalid channel ID" "in a room of others"
  is "$(says 10 main typing '{"op":"start","type":"stream","stream_id":8,"topic":"x"}')" \
    "Invalid channel ID" "in a closed room"
  is "$(says 10 main typing '{"op":"start","type":"stream","stream_id":9,"topic":"x"}')" \
    "Invalid channel ID" "in another company's room"
  is "$(q "$database" "SELECT string_agg(channel_id, ' ' ORDER BY id) FROM pgevents.log")" \
    "user:10 user:11 user@acme:20 stream:7" "events"
}
it "typing reaches the application's own users and rooms" typing_of_ones_own

instead_of_trigger() {
  local database
  directory_database database
  q "$database" "DROP FUNCTION pgevents.change_settings(text, text, jsonb);
    CREATE FUNCTION write_user() RETURNS trigger LANGUAGE plpgsql AS \$\$
    BEGIN
      UPDATE public.accounts SET preferences = jsonb_set(preferences, '{presence}', to_jsonb(NEW.presence_enabled))
        WHERE id = NEW.user_id::int;
      RETURN NEW;
    END \$\$;
    CREATE TRIGGER write_user INSTEAD OF UPDATE ON pgevents.users FOR EACH ROW EXECUTE FUNCTION write_user()"
  install_schema "$database" >/dev/null
  is "$(says 10 main settings '{"presence_enabled":false}')" '{"result":"success","msg":""}' "answer"
  is "$(q "$database" "SELECT preferences ->> 'presence' FROM accounts WHERE id = 10")" false "what was written"
}
it "a view with an INSTEAD OF trigger accepts settings as well" instead_of_trigger

upgrade_leaves_it() {
  local database
  directory_database database
  q "$database" "CREATE OR REPLACE FUNCTION pgevents.user_channel(realm text, user_id text) RETURNS text LANGUAGE sql AS \$\$
      SELECT 'u.' || user_id \$\$;
    CREATE OR REPLACE FUNCTION pgevents.stream_channel(stream_id text) RETURNS text LANGUAGE sql AS \$\$
      SELECT 'room.' || stream_id \$\$"
  install_schema "$database" >/dev/null
  is "$(q "$database" "SELECT count(*) FROM pg_views WHERE schemaname = 'pgevents'
    AND viewname IN ('users', 'streams', 'stream_members')")" 3 "views"
  says 10 main typing '{"op":"start","to":"[11]"}' >/dev/null
  says 10 main typing '{"op":"start","type":"stream","stream_id":7,"topic":"x"}' >/dev/null
  says 10 main settings '{"receives_typing_notifications":false}' >/dev/null
  is "$(q "$database" "SELECT string_agg(channel_id, ' ' ORDER BY id) FROM pgevents.log")" \
    "u.10 u.11 room.7 u.10" "events"
  is "$(q "$database" "SELECT preferences ->> 'sees_typing' FROM accounts WHERE id = 10")" false "settings"
  is "$(q "$database" "SELECT has_table_privilege('pgevents_admin', 'pgevents.users', 'SELECT'),
    has_table_privilege('pgevents_server', 'pgevents.users', 'SELECT')")" "t|f" "rights"
}
it "an upgrade does not touch the application's views and functions" upgrade_leaves_it

# Blocks that the second report of a session reads: a view whose users are not found by an index would read them all.
bound_by_index() {
  local database blocks report="SELECT pgevents.presence_report('[{\"realm\":\"main\",\"user\":\"%s\"}]')"
  directory_database database
  q "$database" "INSERT INTO accounts (id, company_id) SELECT n, 1 FROM generate_series(1000, 21000) n; ANALYZE"
  # shellcheck disable=SC2059 # the format is ours
  blocks=$(q "$database" "$(printf "$report; EXPLAIN (ANALYZE, BUFFERS, FORMAT json) $report" 2000 3000)" |
    grep -m 1 -o 'Shared Hit Blocks": [0-9]*' | grep -o '[0-9]*$')
  is "$(q "$database" "SELECT count(*) FROM pgevents.presence")" 2 "rows"
  ((blocks < 150)) || fail "a report reads $blocks blocks"
}
it "users behind the view are found by its index" bound_by_index
