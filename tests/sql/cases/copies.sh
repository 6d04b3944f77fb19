# shellcheck shell=bash disable=SC2154 # work, prefix and others: set by run.sh
# Copies of the log by logical replication: a primary and its copy as two databases of one server.

# copy_of PRIMARY VARIABLE: a copy that has everything, $VARIABLE. The slot is made beforehand, because within one
# server PostgreSQL cannot make it while it subscribes.
copy_of() {
  local made
  trap 'end_copies; close_sessions' EXIT
  empty_database made "TEMPLATE ${prefix}_template"
  q "$1" "SELECT pgevents.create_publication()" >/dev/null
  q "$1" "SELECT pg_create_logical_replication_slot('$made', 'pgoutput')" >/dev/null
  copies+=("$made")
  q "$made" "SELECT pgevents.become_copy('host=$PGHOST port=${PGPORT:-5432} user=$PGUSER dbname=$1', $(version), '$made')" >/dev/null
  wait_for "$made" "5" "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'"
  printf -v "$2" %s "$made"
}

# Ends the subscriptions of a test, so that its databases can be dropped, and the next test has workers.
copies=()
end_copies() {
  local copy
  for copy in "${copies[@]}"; do
    if [[ $(q "$copy" "SELECT count(*) FROM pg_subscription_rel") != 0 ]]; then
      q "$copy" "ALTER SUBSCRIPTION pgevents DISABLE; ALTER SUBSCRIPTION pgevents SET (slot_name = NONE);
        DROP SUBSCRIPTION pgevents"
    fi
    wait_for postgres 0 "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '$copy' AND active"
    q postgres "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
      WHERE slot_name = '$copy'" >/dev/null
  done
}

version() { q "${prefix}_template" "SELECT version FROM pgevents.schema_version()"; }

# has_all PRIMARY COPY: waits until the copy has every event
has_all() { wait_for "$2" "$(q "$1" "SELECT pgevents.head()")" "SELECT pgevents.head()"; }

# rejected DATABASE STATE TEXT SQL: the statement fails with this SQLSTATE and a message that contains this text
rejected() {
  local errors
  errors=$(psql -XAtq -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -d "$1" -c "$4" 2>&1) && fail "not rejected: $4"
  [[ $errors == *"$2: "*"$3"* ]] || fail "wrong rejection of $4: $errors"
}

published_once() {
  local database
  fresh_database database
  q "$database" "CREATE TABLE mine (id int PRIMARY KEY)"
  [[ $(q "$database" "SELECT pgevents.create_publication()") == \
    "SELECT pgevents.become_copy('host=… port="*" dbname=$database user=$PGUSER', $(version)) \\gexec" ]] ||
    fail "the statement for the copy"
  q "$database" "ALTER PUBLICATION pgevents ADD TABLE mine, pgevents.users, pgevents.ready;
    ALTER PUBLICATION pgevents DROP TABLE pgevents.generations"
  is "$(q "$database" "SELECT s -> 'publication', s -> 'warnings' ->> 0 FROM pgevents.status() s")" \
    '{"missing": ["generations"]}|The publication lacks ["generations"]: run pgevents.create_publication()' "status"
  q "$database" "CREATE ROLE ${prefix}_copier; SELECT pgevents.create_publication('${prefix}_copier')" >/dev/null
  is "$(q "$database" "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables")" \
    "generations history idempotency_keys log mine revocations users" "tables"
  is "$(q "$database" "SET ROLE ${prefix}_copier; SELECT count(*) FROM pgevents.log")" 0 "the reader's rights"
  q "$database" "DROP OWNED BY ${prefix}_copier; DROP ROLE ${prefix}_copier"
}
publishing_refused() {
  local database
  fresh_database database
  q "$database" "CREATE ROLE ${prefix}_other; GRANT USAGE ON SCHEMA pgevents TO ${prefix}_other;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgevents TO ${prefix}_other"
  rejected "$database" PT403 "owner of pgevents" "SET ROLE ${prefix}_other; SELECT pgevents.create_publication()"
  rejected "$database" PT403 "owner of pgevents" "SET ROLE ${prefix}_other; SELECT pgevents.become_copy('')"
  rejected "$database" PT403 "owner of pgevents" "SET ROLE ${prefix}_other; SELECT pgevents.promote_copy()"
  q "$database" "DROP OWNED BY ${prefix}_other; DROP ROLE ${prefix}_other"
  q "$database" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  rejected "$database" PT409 "pgevents.log has rows" "SELECT pgevents.become_copy('')"
  rejected "$database" PT409 "schema version of the primary is 1, that" "SELECT pgevents.become_copy('', 1)"
  rejected "$database" PT409 "READ COMMITTED" \
    "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT pgevents.create_publication()"
  q "$database" "CREATE PUBLICATION pgevents FOR ALL TABLES" 2>/dev/null
  rejected "$database" PT409 "of all tables" "SELECT pgevents.create_publication()"
  is "$(q "$database" "SELECT pgevents.promote_copy() IS NULL, pgevents.is_copy()")" "t|f" "promoting no copy"
}

# Everything that writes, by who calls it.
kWrites="
SELECT pgevents.publish('c', 't', '1')
INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{\"type\":\"t\"}')
INSERT INTO pgevents.outbox (channel_id, type) VALUES ('c', 't')
INSERT INTO watched VALUES (1)
SELECT pgevents.revoke('10')
SELECT pgevents.disconnect('10')
SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', NULL)
SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', 'key')
SELECT FROM pgevents.http_publish_many('[{\"channel\":\"c\",\"body\":\"{\\\"type\\\":\\\"t\\\"}\"}]')
SELECT pgevents.http_typing('{\"user\":\"10\"}', '{\"op\":\"start\",\"to\":[\"11\"]}')
SELECT pgevents.http_settings('{\"user\":\"10\"}', '{\"presence_enabled\":false}')
SELECT pgevents.http_report_presence('{\"user\":\"10\"}', '{\"status\":\"active\"}')
SELECT FROM pgevents.http_report_presence_many('[{\"identity\":{\"user\":\"10\"},\"params\":{\"status\":\"active\"}}]')
SELECT pgevents.presence_report('[{\"realm\":\"main\",\"user\":\"10\"}]')
SELECT pgevents.http_register('{\"user\":\"10\"}', '{}')
SELECT pgevents.http_realm_presence('{\"user\":\"10\"}', '{}')
SELECT pgevents.http_user_presence('{\"user\":\"10\"}', '{\"user_id\":\"11\"}')
INSERT INTO pgevents.log VALUES (1000, 'c', now(), 't', '1')
DELETE FROM pgevents.log
UPDATE pgevents.history SET pruned_id = 9
DELETE FROM pgevents.generations
INSERT INTO pgevents.revocations (user_id, before) VALUES ('10', now())
DELETE FROM pgevents.idempotency_keys"

# What a copy's own servers call again and again does nothing there.
kQuiet="
SELECT pgevents.prune()|0
SELECT pgevents.presence_tick()|500
SELECT pgevents.sequencer_begin()|f
SELECT pgevents.holder_open()|0
SELECT renew_ms FROM pgevents.presence_contacts(0, '[{\"realm\":\"main\",\"user\":\"10\"}]')|10000
SELECT pgevents.presence_poll('{\"user\":\"10\"}', 3)|f
SELECT s FROM pgevents.sequence() s|(0,0,f,t,f,f)"

writes_refused() {
  local primary copy statement answer before
  fresh_database primary
  q "$primary" "SELECT pgevents.publish('c', 't', '1'); SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', 'old')" >/dev/null
  copy_of "$primary" copy
  q "$copy" "CREATE TABLE watched (id int); SELECT pgevents.watch('watched', 'c', '{id}')" >/dev/null
  before=$(q "$copy" "SELECT last_value, is_called FROM pgevents.log_id_seq")
  while IFS= read -r statement; do
    [[ -z $statement ]] || rejected "$copy" PT503 "not the primary" "$statement"
  done <<<"$kWrites"
  while IFS='|' read -r statement answer; do
    [[ -z $statement ]] || is "$(q "$copy" "$statement")" "$answer" "$statement"
  done <<<"$kQuiet"
  # A repeated publication needs no new id, and gets the first one's.
  is "$(q "$copy" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', 'old') ->> 'id'")" 2 "a repeated one"
  is "$(q "$copy" "SELECT last_value, is_called FROM pgevents.log_id_seq")" "$before" "the sequence of ids"
  is "$(q "$copy" "SELECT pgevents.is_copy(), s ->> 'role', s -> 'warnings' FROM pgevents.status() s")" "t|copy|[]" "status"
  is "$(q "$primary" "SELECT pgevents.is_copy(), s ->> 'role', s -> 'warnings', s -> 'slots' -> 0 ->> 'name',
    (s -> 'slots' -> 0 ->> 'behind_bytes')::bigint >= 0 FROM pgevents.status() s")" "f|primary|[]|$copy|t" "status of the primary"
}

# ids DATABASE CURSOR: what a client gets, and its next cursor
ids() {
  q "$1" "SELECT string_agg(CASE type WHEN 'pgevents.reset' THEN data::json ->> 'reason' ELSE id::text END, ' ')
    FROM pgevents.fetch('{c}', $2, NULL, 100, 9999)"
}

lag() {
  local primary copy step first
  fresh_database primary
  step=$(q "$primary" "SELECT pgevents.least_step()")
  q "$primary" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  copy_of "$primary" copy
  q "$copy" "ALTER SUBSCRIPTION pgevents DISABLE"
  q "$primary" "SELECT pgevents.publish('c', 't', '2')" >/dev/null
  is "$(ids "$primary" 3) / $(ids "$copy" 3) / $(ids "$copy" 2)" "3 / 3 / 2" "a cursor that has not arrived is kept"
  is "$(ids "$copy" 900000000) / $(ids "$copy" 9007199254740991)" "ahead 2 2 / ahead 2 2" "one that no lag explains"
  is "$(ids "$copy" $((step + 3))) $(ids "$copy" 900000000000)" "$((step + 3)) 900000000000" "one of the next generation"
  is "$(ids "$copy" $((step - 3)))" "ahead 2 2" "none begins before that"
  is "$(q "$copy" "SELECT s FROM pgevents.listener_start(3, 1, 9) s")" "(2,1,1,t)" "a listener from a faster server"
  is "$(ids "$primary" 4)" "ahead 2 3 3" "on the primary, which has everything"
  is "$(q "$copy" "SELECT s -> 'warnings' ->> 0 FROM pgevents.status() s")" \
    "Subscription pgevents is disabled: ALTER SUBSCRIPTION pgevents ENABLE" "a warning"
  # The primary crashes and loses event 3: its history says so, on both.
  q "$primary" "SET session_replication_role = replica; DELETE FROM pgevents.log WHERE id = 3;
    TRUNCATE pgevents.crash_mark"
  q "$primary" "SELECT pgevents.publish('c', 't', '3')" >/dev/null
  q "$copy" "ALTER SUBSCRIPTION pgevents ENABLE"
  has_all "$primary" "$copy"
  first=$(newest "$primary")
  is "$(ids "$primary" 3) / $(ids "$copy" 3)" "ahead $((first + 1)) $((first + 1)) / ahead $((first + 1)) $((first + 1))" "lost"
  is "$(ids "$copy" 2)" "$((first + 1)) $((first + 1))" "a client that knows nothing of it"
  # A cursor of a branch that is not the primary's is known as soon as an event arrives.
  is "$(ids "$copy" $((first + 2 * step)))" $((first + 2 * step)) "a client of a branch"
  q "$copy" "SET session_replication_role = replica; UPDATE pgevents.log SET ts = now() + interval '1 minute'"
  is "$(ids "$copy" $((first + 2 * step)))" "ahead 2 $((first + 1)) $((first + 1))" "the same when an event has arrived"
  is "$(q "$copy" "SELECT continuous FROM pgevents.listener_start($first + 2 * $step, 1, 9)")" f "a listener of a branch"
  # A server of the copy begins: no generation of its own.
  q "$copy" "SELECT FROM pgevents.listener_start(0, 0, 9)"
  is "$(q "$copy" "SELECT count(*) FROM pgevents.generations")" 2 "generations"
}

promoted() {
  local primary copy first
  fresh_database primary
  q "$primary" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 3) n" >/dev/null
  copy_of "$primary" copy
  session old "$copy"
  run_in old "SELECT pgevents.publish('c', 't', '0');"
  has_all "$primary" "$copy"
  is "$(q "$copy" "SELECT p ->> 'head', p -> 'slots' FROM pgevents.promote_copy() p")" "4|[\"$copy\"]" "promoted"
  is "$(q "$copy" "SELECT pgevents.promote_copy() IS NULL, pgevents.is_copy()")" "t|f" "once"
  first=$(q "$copy" "SELECT max(first_id) FROM pgevents.generations")
  is "$(q "$copy" "SELECT after_id FROM pgevents.generations WHERE first_id = $first")" 4 "after what has arrived"
  run_in old "SELECT pgevents.publish('c', 't', '4');"
  q "$copy" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', NULL)" >/dev/null
  is "$(ids "$copy" 4) / $(ids "$copy" 5)" \
    "$((first + 1)) $((first + 2)) $((first + 2)) / ahead $((first + 1)) $((first + 2)) $((first + 2))" \
    "a subscriber of the copy, and one that knows more"
  is "$(q "$copy" "SELECT count(*) FROM pg_trigger WHERE tgname = 'copy_refuses'")" 0 "triggers"
  wait_for "$primary" 1 "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots
    WHERE slot_name = '$copy' AND NOT active"
}

conflict() {
  local primary copy
  fresh_database primary
  q "$primary" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  copy_of "$primary" copy
  q "$copy" "SET session_replication_role = replica; INSERT INTO pgevents.log VALUES (3, 'c', now(), 't', '9')"
  q "$primary" "SELECT pgevents.publish('c', 't', '2')" >/dev/null
  if (($(q postgres "SHOW server_version_num") >= 150000)); then
    wait_for "$copy" t "SELECT (pgevents.status() -> 'subscription' ->> 'apply_errors')::int > 0"
    is "$(q "$copy" "SELECT errors > 0 FROM pgevents.copy_state()")" t "as a front-end shows it"
  fi
  wait_for "$copy" t "SELECT pgevents.status() -> 'warnings' ->> 0 LIKE 'No worker applies changes%'"
  q "$copy" "SET session_replication_role = replica; DELETE FROM pgevents.log WHERE id = 3"
  wait_for "$copy" 2 "SELECT data FROM pgevents.log WHERE id = 3"
}

# measured DATABASE CURSOR: how far a copy with this newest event is behind: ids, and whether time has passed
measured() { q "$1" "SELECT ids, ms > 0 FROM pgevents.copy_lag($2)"; }

# What a front-end asks, with its rights.
shown() {
  local primary copy errors=''
  fresh_database primary
  q "$primary" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  copy_of "$primary" copy
  (($(q postgres "SHOW server_version_num") < 150000)) || errors=0
  is "$(q "$primary" "SET ROLE pgevents_server; SELECT is_copy, is_running, errors FROM pgevents.copy_state()")" "f||" "a primary"
  wait_for "$copy" "t|t|$errors" "SET ROLE pgevents_server; SELECT is_copy, is_running, errors FROM pgevents.copy_state()"
  is "$(q "$primary" "SET ROLE pgevents_server; SELECT ids, ms FROM pgevents.copy_lag(2)")" "0|0" "a copy that has everything"
  q "$primary" "SELECT pgevents.publish('c', 't', '2'); SELECT pg_sleep(0.01)" >/dev/null
  q "$primary" "SELECT pgevents.publish('c', 't', '3'); SELECT pg_sleep(0.01)" >/dev/null
  is "$(measured "$primary" 2) $(measured "$primary" 3) $(measured "$primary" 4)" "2|t 1|t 0|f" "events that it lacks"
  is "$(q "$primary" "SELECT (SELECT ms FROM pgevents.copy_lag(2)) > (SELECT ms FROM pgevents.copy_lag(3))")" t "the oldest counts"
  # The steps between generations are no events.
  q "$primary" "TRUNCATE pgevents.crash_mark"
  q "$primary" "SELECT pgevents.publish('c', 't', '4')" >/dev/null
  is "$(measured "$primary" 2 | cut -d '|' -f 1) $(q "$primary" "SELECT ids FROM pgevents.copy_lag(4)")" "4 2" \
    "across a generation"
  q "$copy" "ALTER SUBSCRIPTION pgevents DISABLE"
  wait_for "$copy" "t|f" "SELECT is_copy, is_running FROM pgevents.copy_state()"
  q "$copy" "SELECT pgevents.promote_copy()" >/dev/null
  is "$(q "$copy" "SELECT is_copy, is_running, errors FROM pgevents.copy_state()")" "f||" "promoted"
  wait_for "$primary" 1 "SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots
    WHERE slot_name = '$copy' AND NOT active"
}

# A copy whose tables have not all arrived answers nobody: it would not know what was pruned.
incomplete() {
  local primary copy
  fresh_database primary
  empty_database copy "TEMPLATE ${prefix}_template"
  q "$primary" "SELECT pgevents.publish('c', 't', '1'); SELECT pgevents.create_publication()" >/dev/null
  [[ $(q "$copy" "SELECT pgevents.become_copy('dbname=$primary')") == \
    "CREATE SUBSCRIPTION pgevents CONNECTION 'dbname=$primary' PUBLICATION pgevents WITH (slot_name = 'pgevents_"* ]] ||
    fail "the statement that subscribes"
  rejected "$copy" PT503 "not complete yet" "SELECT FROM pgevents.fetch('{c}', 0, NULL, 9, 9)"
  rejected "$copy" PT503 "not complete yet" "SELECT FROM pgevents.listener_start(0, 0, 9)"
  rejected "$copy" PT503 "not the primary" "SELECT pgevents.publish('c', 't', '1')"
  is "$(q "$copy" "SELECT pgevents.become_copy('dbname=other') LIKE '%dbname=other%'")" t "another attempt"
  q "$copy" "SELECT pgevents.promote_copy()" >/dev/null
  q "$copy" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  is "$(ids "$copy" 0)" "2 2" "a copy that never was one"
}

# As the documentation told before become_copy() existed.
by_hand() {
  local primary made
  fresh_database primary
  fresh_database made
  trap 'end_copies; close_sessions' EXIT
  copies+=("$made")
  q "$primary" "SELECT pgevents.publish('c', 't', '1');
    CREATE PUBLICATION pgevents FOR TABLE pgevents.log, pgevents.history, pgevents.revocations" >/dev/null
  q "$primary" "SELECT pg_create_logical_replication_slot('$made', 'pgoutput')" >/dev/null
  q "$made" "CREATE SUBSCRIPTION pgevents CONNECTION 'host=$PGHOST port=${PGPORT:-5432} user=$PGUSER dbname=$primary'
    PUBLICATION pgevents WITH (create_slot = false, slot_name = '$made')" >/dev/null
  wait_for "$made" 3 "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'"
  is "$(q "$made" "SELECT pgevents.is_copy(), s -> 'subscription' ->> 'missing' FROM pgevents.status() s")" \
    't|["generations", "idempotency_keys"]' "it knows, and what it lacks"
  rejected "$made" PT503 "not the primary" "SELECT pgevents.publish('c', 't', '1')"
  q "$primary" "SELECT pgevents.create_publication()" >/dev/null
  is "$(q "$made" "SELECT pgevents.become_copy('') IS NULL")" t "become_copy()"
  q "$made" "TRUNCATE pgevents.generations"
  q "$made" "ALTER SUBSCRIPTION pgevents REFRESH PUBLICATION" 2>/dev/null
  wait_for "$made" 5 "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'"
  is "$(q "$made" "SELECT s -> 'warnings' FROM pgevents.status() s")" "[]" "warnings"
  is "$(q "$made" "SELECT place FROM pgevents.generations")" "$(q "$primary" "SELECT place FROM pgevents.generations")" \
    "generations"
  rejected "$made" PT503 "not the primary" "DELETE FROM pgevents.generations"
}

if [[ $(q postgres "SHOW wal_level") == logical ]]; then
  it "create_publication() publishes exactly what copies need, and may be called again" published_once
  it "create_publication(), become_copy() and promote_copy() say why they refuse" publishing_refused
  it "a copy refuses everything that writes, before it takes an id" writes_refused
  it "on a copy a cursor that has not arrived is no gap, and what the primary has lost is one" lag
  it "a promoted copy continues behind what has arrived, and its subscribers get no reset" promoted
  it "a conflict on a copy is reported, and replication continues when it is removed" conflict
  it "a front-end can ask a copy whether it runs, and the primary how far it is behind" shown
  it "a copy that was subscribed by hand is one, too, and gets what it lacks" by_hand
  it "a copy serves when it is complete, and may be given up before" incomplete
fi
