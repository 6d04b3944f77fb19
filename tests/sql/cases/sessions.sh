# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Transactions that overlap.

insert_event() { printf "INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{\"type\":\"t\",\"data\":\"%s\"}');" "$1"; }

long_transaction() {
  local database
  fresh_database database
  session long "$database"
  run_in long "BEGIN; SELECT pgevents.publish('c', 't', '\"long1\"'); $(insert_event long2)"
  promptly "$database" "$(insert_event insert)"
  promptly "$database" "SELECT pgevents.publish('c', 't', '\"publish\"')" >/dev/null
  promptly "$database" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\",\"data\":\"http\"}', 'k')" >/dev/null
  is "$(q "$database" "SELECT string_agg(data, ' ') FROM pgevents.log_after(0, 10)")" \
    '"insert" "publish" "http"' "while it is open"
  run_in long "COMMIT;"
  is "$(q "$database" "SELECT string_agg(id || data, ' ') FROM pgevents.log_after(0, 10)")" \
    '2"insert" 3"publish" 4"http" 5"long1" 6"long2"' "ids in commit order"
}
it "an open transaction that published delays no other publisher, and gets its ids when it commits" long_transaction

# A transaction that waits at COMMIT for a row, in a deferred foreign key (Django makes all foreign keys deferred), must
# not stop other publishers.
deferred_key() {
  local database
  fresh_database database
  q "$database" "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
    CREATE TABLE child (parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
  session locker "$database"
  session child "$database"
  run_in locker "BEGIN; SELECT FROM parent WHERE id = 1 FOR UPDATE;"
  run_in child "BEGIN; SELECT pgevents.publish('c', 't', '\"child\"'); INSERT INTO child VALUES (1);"
  send child "COMMIT;"
  is_waiting "$database"
  promptly "$database" "SELECT pgevents.publish('c', 't', '\"other\"')" >/dev/null
  run_in locker "SELECT pgevents.publish('c', 't', '\"locker\"'); COMMIT;"
  await child
  is "$(output child)$(output locker)" "" "errors"
  is "$(q "$database" "SELECT string_agg(data, ' ') FROM pgevents.log_after(0, 10)")" \
    '"other" "locker" "child"' "events"
}
it "a publisher that waits for a row at COMMIT delays no other publisher, without a deadlock" deferred_key

serializable() {
  local database
  fresh_database database
  session one "$database"
  session two "$database"
  run_in one "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT pgevents.publish('c', 't', '1');"
  run_in two "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT pgevents.publish('c', 't', '2');"
  run_in one "SELECT pgevents.publish('c', 't', '3'); COMMIT;"
  run_in two "SELECT pgevents.publish('c', 't', '4'); COMMIT;"
  is "$(output one)$(output two)" "" "errors"
  is "$(q "$database" "SELECT string_agg(data, ' ') FROM pgevents.log_after(0, 10)")" '1 3 2 4' "events"
}
it "serializable transactions that publish side by side do not conflict" serializable

heard() { output "$1" | grep -c "^Asynchronous notification \"pgevents\" received" || true; }

notify_once() {
  local database
  fresh_database database
  session listener "$database"
  run_in listener "LISTEN pgevents;"
  q "$database" "BEGIN; SELECT pgevents.publish('c' || n, 't', to_json(n)) FROM generate_series(1, 10) n;
    SELECT pgevents.publish('c', 't', '1'); COMMIT" >/dev/null
  run_in listener "SELECT;"
  is "$(heard listener)" 1 "notifications of one transaction with eleven events"
  q "$database" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', NULL)" >/dev/null
  q "$database" "BEGIN; SELECT pgevents.publish('c', 't', '1'); ROLLBACK" >/dev/null
  run_in listener "SELECT;"
  is "$(heard listener)" 2 "after http_publish() and a rollback"
  if output listener | grep -q payload; then fail "it has a payload: $(output listener)"; fi
}
it "a transaction sends one notification, without payload, however many events it has" notify_once

notify_replica() {
  local database
  fresh_database database
  session listener "$database"
  run_in listener "LISTEN pgevents;"
  q "$database" "SET session_replication_role = replica;
    INSERT INTO pgevents.log (id, channel_id, ts, type, data) VALUES (2, 'c', now(), 't', '1')"
  run_in listener "SELECT;"
  is "$(heard listener)" 1 "notifications"
}
it "a row that replication writes into the log sends a notification" notify_replica

publish_in_replica_role() {
  local database
  fresh_database database
  q "$database" "SET session_replication_role = replica; SELECT pgevents.publish('c', 't', '1')" >/dev/null
  is "$(q "$database" "SELECT count(*) FROM pgevents.log")" 1 "events"
}
it "publish() works where triggers are off, as in a replication worker" publish_in_replica_role

replication() {
  local source copy
  fresh_database source
  fresh_database copy
  q "$source" "CREATE PUBLICATION $source FOR TABLE pgevents.log, pgevents.history, pgevents.revocations"
  q "$source" "INSERT INTO pgevents.revocations VALUES ('9', 'infinity')"
  q "$source" "SELECT pg_create_logical_replication_slot('$source', 'pgoutput')" >/dev/null
  q "$copy" "CREATE SUBSCRIPTION $source CONNECTION 'host=$PGHOST user=$PGUSER dbname=$source'
    PUBLICATION $source WITH (create_slot = false, slot_name = '$source')" >/dev/null
  session listener "$copy"
  run_in listener "LISTEN pgevents;"
  wait_for "$copy" 3 "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'"
  q "$source" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 3) n" >/dev/null
  wait_for "$copy" 4 "SELECT pgevents.head()"
  is "$(q "$copy" "SELECT string_agg(concat_ws(':', id, data, type), ' ')
    FROM pgevents.fetch('{c}', 0, NULL, 9, 999)")" \
    "2:1:t 3:2:t 4:3:t 4:end" "events on the copy"
  is "$(q "$copy" "SELECT sum(ts_us) FROM pgevents.log_after(0, 9)")" "$(q "$source" "SELECT sum(ts_us)
    FROM pgevents.log_after(0, 9)")" "times"
  run_in listener "SELECT;"
  (($(heard listener) >= 1)) || fail "no notification on the copy"
  q "$source" "SELECT pgevents.revoke('10'), pgevents.revoke('11', 'infinity'), pgevents.revoke('9', '-infinity');
    SELECT pgevents.revoke('11')" >/dev/null
  wait_for "$copy" 8 "SELECT pgevents.head()"
  is "$(q "$copy" "SELECT string_agg(r::text, ' ' ORDER BY user_id) FROM pgevents.revocations() r")" \
    "$(q "$source" "SELECT string_agg(r::text, ' ' ORDER BY user_id)
      FROM pgevents.revocations() r")" "revocations on the copy"
  is "$(q "$copy" "SELECT pgevents.token_revoked('9', 1), pgevents.token_revoked('10', 1)")" "f|t" "tokens on the copy"
  # The copy takes over: installing again moves its sequence, which replication does not copy.
  q "$copy" "ALTER SUBSCRIPTION $source DISABLE; ALTER SUBSCRIPTION $source SET (slot_name = NONE);
    DROP SUBSCRIPTION $source"
  q "$source" "SELECT pg_drop_replication_slot('$source')" >/dev/null
  install_schema "$copy"
  is "$(q "$copy" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', NULL) ->> 'id'")" 9 "the next id"
}
if [[ $(q postgres "SHOW wal_level") == logical ]]; then
  it "a copy fed by logical replication notifies, answers with the same events, and can take over" replication
fi

prepared_transaction() {
  local database
  fresh_database database
  if q "$database" "BEGIN; SELECT pgevents.publish('c', 't', '1'); PREPARE TRANSACTION 'x'" >"$work/errors" 2>&1; then
    fail "it was prepared"
  fi
  grep -q "cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY" "$work/errors" ||
    fail "$(cat "$work/errors")"
  is "$(q "$database" "SELECT count(*) FROM pgevents.log")" 0 "events"
}
if [[ $(q postgres "SHOW max_prepared_transactions") != 0 ]]; then
  it "PostgreSQL rejects PREPARE TRANSACTION of a transaction that published, as documented" prepared_transaction
fi

same_key() {
  local database end=$1 wanted=$2
  local publish="SELECT pgevents.http_publish('{\"user\":\"1\"}', 'c', '{\"type\":\"t\"}', 'k') ->> 'id'"
  fresh_database database
  session one "$database"
  session two "$database"
  run_in one "BEGIN; $publish;"
  send two "$publish;"
  wait_for "$database" 1 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event = 'advisory'"
  run_in one "$end;"
  await two
  is "$(output one) $(output two)" "$wanted" "ids"
  is "$(q "$database" "SELECT count(*) FROM pgevents.log")" 1 "events"
}
same_key_committed() { same_key COMMIT "2 2"; }
same_key_rolled_back() { same_key ROLLBACK "2 3"; }
it "two requests at once with the same idempotency key: the second waits and gets the first one's id" same_key_committed
it "two requests at once with the same idempotency key, the first rolled back: the second publishes" \
  same_key_rolled_back

waiting_key() {
  local database
  fresh_database database
  session holder "$database"
  session many "$database"
  run_in holder "BEGIN; SELECT pg_advisory_xact_lock(1885824375, hashtext(encode(
    (pgevents.publication_read(NULL, 'c', '{\"type\":\"t\"}', 'k')).key_scope, 'hex')));"
  send many "SELECT pgevents.http_publish(NULL, 'c', '{\"type\":\"t\"}', 'k') ->> 'id';"
  is_waiting "$database"
  promptly "$database" "$(publish a)" >/dev/null
  run_in holder "ROLLBACK;"
  await many
  is "$(output many)" 3 "id"
}
it "a publication over HTTP that waits for its idempotency key delays no other publisher" waiting_key

other_key() {
  local database
  fresh_database database
  session one "$database"
  run_in one "BEGIN; SELECT pgevents.publish('c', 't', '1');"
  is "$(promptly "$database" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', 'other') ->> 'id'")" 2 "id"
}
it "a request over HTTP does not wait for applications' open transactions" other_key

one_prunes() {
  local database
  fresh_database database
  q "$database" "SELECT pgevents.publish('c', 't', '1') FROM generate_series(1, 19)" >/dev/null
  session one "$database"
  run_in one "BEGIN; SELECT pgevents.prune(1);"
  is "$(output one)" 12 "pruned by the first"
  is "$(promptly "$database" "SELECT pgevents.prune()")" 0 "pruned by the second meanwhile"
  run_in one "COMMIT;"
  is "$(q "$database" "SELECT pgevents.prune()")" 8 "pruned afterwards"
}
it "only one session prunes at a time, and others do not wait for it" one_prunes

in_flight() {
  local database
  fresh_database database
  session one "$database"
  run_in one "BEGIN; SELECT pgevents.publish('c', 't', '1');"
  is "$(promptly "$database" "SELECT pgevents.prune()")" 0 "pruned"
  run_in one "COMMIT;"
  is "$(q "$database" "SELECT count(*) FROM pgevents.log")" 1 "events"
}
it "pruning keeps the staged events of open transactions" in_flight
