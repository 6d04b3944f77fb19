# shellcheck shell=bash disable=SC2154 # work, prefix: set by run.sh
# Presence in transactions that overlap: which waits for which, and with what result.

asks() { printf "SELECT FROM pgevents.http_%s('{\"user\":\"%s\"}', '%s');" "$@"; }
reports() { asks report_presence "$1" "{\"status\":\"$2\",\"ping_only\":true}"; }
switches() { asks settings "$1" "{\"presence_enabled\":$2}"; }
connects() { printf "SELECT FROM pgevents.presence_contacts(%s, '[{\"realm\":\"main\",\"user\":\"%s\"}]');" "$@"; }

# presence_database VARIABLE: users 10, 11, 12 in main, 20 in other
presence_database() {
  fresh_database "$1"
  q "${!1}" "INSERT INTO pgevents.users (realm, user_id) VALUES ('main', '10'), ('main', '11'), ('main', '12'),
    ('other', '20')"
}

# How many minutes ago each user was active, and in contact.
rows="SELECT coalesce(string_agg(concat_ws(' ', user_id, floor(date_part('epoch', now() - active_at) / 60),
  floor(date_part('epoch', now() - idle_at) / 60),
  CASE WHEN is_connected THEN 'connected' END), ', ' ORDER BY user_id), '') FROM pgevents.presence"

# What the events report about presence, without times.
told="SELECT coalesce(string_agg(type || ' ' || coalesce(data ->> 'users', (SELECT string_agg(k, ' ' ORDER BY k)
  FROM json_object_keys(data -> 'presences') k)),
  ', ' ORDER BY id), '') FROM pgevents.log WHERE channel_id = 'presence:main'"

# two_reports FIRST SECOND END WANTED: two first reports of a user at once
two_reports() {
  local database
  presence_database database
  session one "$database"
  session two "$database"
  run_in one "BEGIN; $(reports 10 "$1")"
  send two "$(reports 10 "$2")"
  is_waiting "$database"
  run_in one "$3;"
  await two
  is "$(output one)$(output two)" "" "errors"
  is "$(q "$database" "SELECT concat_ws(' ', active_at IS NULL, active_at = idle_at, update_id)
    FROM pgevents.presence")" "$4" "row"
}
first_contacts() {
  two_reports active active COMMIT "f t 1"
  two_reports active idle COMMIT "f t 1"
  two_reports idle active COMMIT "f t 2"
  two_reports idle idle COMMIT "t 1"
  two_reports active idle ROLLBACK "t 2"
}
it "two first reports of a user at once both succeed, and make one row" first_contacts

first_connections() {
  local database
  presence_database database
  session one "$database"
  session two "$database"
  run_in one "BEGIN; $(connects "pgevents.holder_open()" 10)"
  send two "$(connects "pgevents.holder_open()" 10)"
  is_waiting "$database"
  run_in one "COMMIT;"
  await two
  is "$(output one)$(output two)" "" "errors"
  is "$(q "$database" "SELECT count(*) FROM pgevents.connections")" 2 "connections"
  is "$(q "$database" "$told")" 'presence 10, pgevents.connected ["10"]' "events"
}
it "two first connections of a user at once both count, and one event reports them" first_connections

others_report() {
  local database
  presence_database database
  q "$database" "$(reports 11 active) $(reports 10 active)"
  session one "$database"
  run_in one "BEGIN; $(reports 12 active)"
  promptly "$database" "$(reports 11 idle) $(reports 10 active)" # nothing is due
  promptly "$database" "$(asks register 10 '{}') $(asks realm_presence 10 '{}')
    $(asks user_presence 10 '{"user_id":"11"}')"
  promptly "$database" "$(asks report_presence 10 '{"status":"idle","last_update_id":1}')
    $(asks typing 10 '{"op":"start","to":[11]}')"
  promptly "$database" "SELECT FROM pgevents.http_report_presence('{\"user\":\"20\",\"realm\":\"other\"}',
    '{\"status\":\"active\"}')"
  is "$(promptly "$database" "SELECT pgevents.presence_tick() <= 500")" t "tick"
  is "$(q "$database" "SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM pgevents.presence")" \
    "10 11 20" "rows that others see"
  run_in one "COMMIT;"
  is "$(q "$database" "SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM pgevents.presence")" "10 11 12 20" "rows"
}
it "an open report does not delay reports that change nothing, readers, typing or other realms" others_report

# Statements of one transaction, and of another meanwhile, which has to wait; then the rows.
meanwhile() {
  local first=$1 second=$2 wanted=$3
  session one "$database"
  session two "$database"
  run_in one "BEGIN; $first"
  send two "$second"
  is_waiting "$database"
  run_in one "COMMIT;"
  await two
  is "$(output one)$(output two)" "" "errors"
  is "$(q "$database" "$rows")" "$wanted" "rows"
  close_sessions
}

switched_off() {
  local database
  presence_database database
  meanwhile "$(reports 10 active)" "$(switches 10 false)" "10 4 4"
  is "$(q "$database" "$told")" 'presence 10' "events until the window has passed"
  q "$database" "UPDATE pgevents.presence_realms SET flushed_at = '-infinity';
    SELECT pgevents.presence_tick()" >/dev/null
  is "$(q "$database" "SELECT round(date_part('epoch', now())) - (data #>> '{presences,10,idle_timestamp}')::int BETWEEN 260 AND 275
    FROM pgevents.log
    WHERE type = 'presence' ORDER BY id DESC LIMIT 1")" t "the last event shows the user as offline"
  presence_database database
  q "$database" "$(reports 10 active) UPDATE pgevents.presence
    SET active_at = now() - interval '1 h', idle_at = now() - interval '1 h'"
  meanwhile "$(switches 10 false)" "$(reports 10 active)" "10 60 60"
  presence_database database
  meanwhile "$(switches 10 false)" "$(reports 10 active)" ""
  presence_database database
  meanwhile "$(switches 10 false)" "$(connects "pgevents.holder_open()" 10)" ""
}
it "switching presence off while the user reports, for the first time or not, leaves no user active" switched_off

switched_twice() {
  local database
  presence_database database
  q "$database" "$(connects "pgevents.holder_open()" 10)"
  meanwhile "$(switches 10 false)" "$(switches 10 true)" "10 0 0 connected"
  meanwhile "$(switches 10 true)" "$(switches 10 false)" "10 4 4"
  meanwhile "$(switches 10 true)" "$(switches 10 true)" "10 0 0 connected"
  is "$(q "$database" "SELECT presence_enabled FROM pgevents.users WHERE user_id = '10'")" t "user"
}
it "presence switched on and off at once ends as the last request set it" switched_twice

# A connection that was left so long ago that the sweep removes it.
left_long_ago="UPDATE pgevents.connections SET left_at = now() - interval '1 minute';
  UPDATE pgevents.presence_realms SET flushed_at = '-infinity';"

swept_while_connecting() {
  local database
  presence_database database
  q "$database" "$(connects "pgevents.holder_open()" 10) $left_long_ago"
  session one "$database"
  run_in one "BEGIN; $(connects 1 10)"
  is "$(promptly "$database" "SELECT pgevents.presence_tick() <= 500")" t "a tick meanwhile"
  run_in one "COMMIT;"
  q "$database" "SELECT pgevents.presence_tick()" >/dev/null
  is "$(output one)" "" "errors"
  is "$(q "$database" "$told")" 'presence 10, pgevents.connected ["10"]' "events"
  is "$(q "$database" "SELECT count(*) FROM pgevents.connections WHERE left_at IS NULL")" 1 "connections"
}
it "a sweep skips a user who is just reconnecting" swept_while_connecting

connecting_while_swept() {
  local database told_twice='presence 10, pgevents.connected ["10"], pgevents.disconnected ["10"], pgevents.connected ["10"]'
  presence_database database
  q "$database" "$(connects "pgevents.holder_open()" 10) $left_long_ago"
  meanwhile "SELECT FROM pgevents.presence_tick();" "$(connects 1 10)" "10 0 connected"
  q "$database" "UPDATE pgevents.presence_realms SET flushed_at = '-infinity';
    SELECT pgevents.presence_tick()" >/dev/null
  is "$(q "$database" "$told")" "$told_twice" "events"
  presence_database database
  q "$database" "UPDATE pgevents.users SET presence_enabled = false;
    $(connects "pgevents.holder_open()" 10) $left_long_ago"
  meanwhile "SELECT FROM pgevents.presence_tick();" "$(switches 10 true)" "10 0 0"
  is "$(q "$database" "$told")" \
    "presence 10" "events of a user who switches presence on during the sweep"
}
it "a user who connects, or turns presence on, during a sweep waits and ends in the new state" connecting_while_swept

gone_holder() {
  local database
  presence_database database
  q "$database" "$(connects "pgevents.holder_open()" 10) UPDATE pgevents.presence_holders
    SET alive_until = now() - interval '1 h'"
  session one "$database"
  session two "$database"
  run_in one "BEGIN; SELECT FROM pgevents.presence_tick();"
  send two "$(connects 1 11) SELECT count(*) FROM pgevents.presence_contacts(1, '[]');"
  is_waiting "$database"
  run_in one "COMMIT;"
  await two
  is "$(output one)$(output two)" 0 "rows for a holder that is gone"
  is "$(q "$database" "SELECT count(*) FROM pgevents.connections")" 0 "connections"
  presence_database database
  q "$database" "$(connects "pgevents.holder_open()" 10) UPDATE pgevents.presence_holders
    SET alive_until = now() - interval '1 h'"
  run_in one "\\c $database"
  run_in one "BEGIN; $(connects 1 11)"
  is "$(promptly "$database" "SELECT pgevents.presence_tick() <= 500")" t "a tick while the holder reports"
  run_in one "COMMIT;"
  is "$(q "$database" "SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM pgevents.connections")" \
    "10 11" "connections of a holder that is back"
}
it "a holder is swept or reports, but not both" gone_holder

one_tick() {
  local database
  presence_database database
  session one "$database"
  run_in one "BEGIN; SELECT FROM pgevents.presence_tick();"
  is "$(promptly "$database" "SELECT pgevents.presence_tick()")" 500 "another"
}
it "only one session ticks at a time, and others do not wait for it" one_tick

rolled_back() {
  local database
  presence_database database
  session one "$database"
  run_in one "BEGIN; $(reports 10 active)"
  run_in one "ROLLBACK;"
  q "$database" "$(reports 11 active)"
  is "$(q "$database" "$told")" "presence 11" "events"
  is "$(q "$database" "SELECT string_agg(concat(k), ' ')
    FROM pgevents.http_report_presence('{\"user\":\"11\"}', '{\"status\":\"idle\",\"last_update_id\":1}') a,
    json_object_keys(a -> 'presences') k")" 11 "newer than the id of the report that was rolled back"
}
it "a report that is rolled back leaves nothing, and disconnects no user" rolled_back
