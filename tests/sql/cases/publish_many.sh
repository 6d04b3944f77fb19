# shellcheck shell=bash disable=SC2154 # work and others: set by run.sh
# http_publish_many() beside other transactions: what it waits for, and what it does not.

# request CHANNEL [KEY]
request() { printf '{"identity":{"user":"1"},"channel":"%s","body":"{\\"type\\":\\"t\\"}"%s}' "$1" "${2+,\"idempotency_key\":\"$2\"}"; }

# many REQUEST…: the ids, in the order of the requests
many() {
  local IFS=,
  printf "SELECT coalesce(answer ->> 'id', state, 'left out') FROM pgevents.http_publish_many('[%s]')" "$*"
}

one() { printf "SELECT pgevents.http_publish('{\"user\":\"1\"}', '%s', '{\"type\":\"t\"}', '%s') ->> 'id'" "$1" "$2"; }

used_key() {
  local database
  fresh_database database
  session holder "$database"
  run_in holder "BEGIN; SELECT pg_advisory_xact_lock(1885824375, hashtext(encode(key_scope, 'hex')))
    FROM pgevents.publication_read('{\"user\":\"1\"}', 'c', '{\"type\":\"t\"}', 'k');"
  is "$(promptly "$database" "$(many "$(request c)" "$(request c k)" "$(request c other)")" | tr '\n' ' ')" \
    "2 left out 3 " "answers"
  run_in holder "ROLLBACK;"
  is "$(promptly "$database" "$(many "$(request c k)")")" 4 "afterwards"
}
it "http_publish_many leaves out a request whose key another transaction uses, and does not wait for it" used_key

# While it waits for the lock "append", one call waits for its key. Then the call gets the id.
call_waits() {
  local database
  fresh_database database
  session holder "$database"
  session batch "$database"
  session single "$database"
  run_in holder "BEGIN; SELECT pg_advisory_xact_lock(1885824374, 1);"
  send batch "$(many "$(request c k)" "$(request d k)");"
  is_waiting "$database"
  send single "$(one c k);"
  wait_for "$database" 2 "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event = 'advisory'"
  run_in holder "COMMIT;"
  await batch
  await single
  is "$(output batch | tr '\n' ' ')" "2 3 " "the batch"
  is "$(output single)" 2 "the call"
}
it "http_publish() with a key that http_publish_many() is using waits for it and gets the same id" call_waits

# The checks of the front-ends' requests may take long: an application may replace channel_kind().
checks_first() {
  local database
  fresh_database database
  q "$database" "CREATE FUNCTION append_is_held() RETURNS boolean LANGUAGE sql AS \$\$ SELECT EXISTS (SELECT FROM pg_locks
      WHERE locktype = 'advisory' AND classid = 1885824374 AND objid = 1 AND pid = pg_backend_pid()) \$\$;
    CREATE OR REPLACE FUNCTION pgevents.channel_kind(realm text, channel text) RETURNS text LANGUAGE plpgsql AS \$\$
    BEGIN
      RAISE WARNING 'append is held: %', public.append_is_held();
      RETURN NULL;
    END \$\$"
  q "$database" "$(many "$(request c)" "$(request c k)" "$(request c)")" >"$work/answers" 2>&1
  is "$(grep -c 'append is held: f' "$work/answers") $(grep -c 'append is held: t' "$work/answers")" "3 0" "checks"
}
it "http_publish_many takes the lock append when everything is checked" checks_first

# Batches with the same keys in opposite orders, and single calls, at once: each gets its answer, no deadlock.
crossed() {
  local database n
  fresh_database database
  local -a pids=()
  for n in 1 2 3 4; do
    for _ in {1..40}; do
      case $n in
        1) echo "$(many "$(request c a)" "$(request c b)" "$(request c)");" ;;
        2) echo "$(many "$(request c b)" "$(request c a)");" ;;
        3) echo "$(one c a); $(one c b);" ;;
        4) echo "$(one c b); $(one c a); DELETE FROM pgevents.idempotency_keys;" ;;
      esac
    done >"$work/crossed.$n.sql"
    sql -d "$database" -f "$work/crossed.$n.sql" >"$work/crossed.$n.out" 2>&1 &
    pids+=($!)
  done
  for n in "${pids[@]}"; do wait "$n" || fail "$(cat "$work"/crossed.*.out | grep ERROR)"; done
  is "$(cat "$work"/crossed.[12].out | grep -cE '^(left out|[0-9]+)$')" 200 "answers"
  is "$(q "$database" "SELECT count(*) - max(id) + min(id) FROM pgevents.log")" 1 "ids without a hole"
}
it "batches and single calls with the same keys in other orders do not deadlock" crossed

# A transaction with several keys holds their rows: prune() with other rows would be in a deadlock with it.
pruned_keys() {
  local database
  fresh_database database
  q "$database" "$(many "$(request c a)" "$(request c b)")" >/dev/null
  q "$database" "UPDATE pgevents.idempotency_keys SET created_at = created_at - interval '25 hours'"
  session batch "$database"
  run_in batch "BEGIN; $(many "$(request c b)");"
  is "$(promptly "$database" "SELECT pgevents.prune()")" 1 "rows removed"
  run_in batch "COMMIT;"
  is "$(q "$database" "SELECT count(*) FROM pgevents.idempotency_keys")" 1 "keys"
}
it "prune() does not wait for an idempotency key that is being published with again" pruned_keys
