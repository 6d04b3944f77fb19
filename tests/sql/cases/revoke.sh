# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Revocations by several transactions at once. Servers follow the events, and read the table when they start: both must
# agree about every user.

# Where the events and the table disagree: must be nothing in every snapshot.
differences="SELECT e.user_id, e.before_us AS by_events, r.before_us AS by_table
  FROM (SELECT DISTINCT ON (data ->> 'user') data ->> 'user' AS user_id, (data ->> 'before_us')::bigint AS before_us
          FROM pgevents.log WHERE type = 'pgevents.revoked' ORDER BY data ->> 'user', id DESC) e
  FULL JOIN pgevents.revocations() r USING (user_id)
 WHERE coalesce(e.before_us, 0) <> coalesce(r.before_us, 0)"

# two_at_once FIRST SECOND END WANTED: both for one user; then what is revoked, and the events
two_at_once() {
  local database
  fresh_database database
  if [[ -n ${5-} ]]; then q "$database" "SELECT pgevents.revoke('10', '$5')" >/dev/null; fi
  session one "$database"
  session two "$database"
  run_in one "BEGIN; SELECT FROM pgevents.revoke('10', '$1');"
  send two "SELECT FROM pgevents.revoke('10', '$2');"
  is_waiting "$database"
  run_in one "$3;"
  await two
  is "$(output one)$(output two)" "" "errors"
  is "$(q "$database" "SELECT coalesce((SELECT string_agg(before_us::text, ' ')
    FROM pgevents.revocations()), 'nothing') || ' after ' ||
    string_agg(data ->> 'before_us', ' ' ORDER BY id) FROM pgevents.log")" "$4" "revoked"
  is "$(q "$database" "$differences")" "" "differences"
}
# Before 1 and before 2 microseconds since the epoch.
first="1970-01-01 00:00:00.000001+00"
second="1970-01-01 00:00:00.000002+00"
revoke_twice() {
  two_at_once "$first" "$second" COMMIT "2 after 1 2"
  two_at_once "$second" "$first" COMMIT "1 after 2 1"
}
it "two transactions revoke a user at once: the one that commits last counts, in the table and in the log" revoke_twice
revoke_and_lift() {
  two_at_once "$first" -infinity COMMIT "nothing after 1 0"
  two_at_once -infinity "$first" COMMIT "1 after 0 1"
  two_at_once -infinity "$second" COMMIT "2 after 1 0 2" "$first"
  two_at_once "$second" -infinity COMMIT "nothing after 1 2 0" "$first"
}
it "a user is revoked and lifted at once: the last commit counts, also without a revocation to lift" revoke_and_lift
revoke_rolled_back() {
  two_at_once "$first" "$second" ROLLBACK "2 after 2"
  two_at_once -infinity "$second" ROLLBACK "2 after 1 2" "$first"
}
it "two transactions revoke a user, the first is rolled back: the second counts, and all events agree" \
  revoke_rolled_back

others_go_on() {
  local database
  fresh_database database
  session one "$database"
  run_in one "BEGIN; SELECT FROM pgevents.revoke('10'), pgevents.disconnect('11');"
  promptly "$database" "SELECT FROM pgevents.revoke('11'), pgevents.disconnect('10')"
  promptly "$database" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  is "$(promptly "$database" "SELECT pgevents.token_revoked('10', 0), pgevents.token_revoked('11', 0)")" \
    "f|t" "while it is open"
  run_in one "COMMIT;"
  is "$(q "$database" "SELECT pgevents.token_revoked('10', 0)")" t "afterwards"
  is "$(q "$database" "SELECT string_agg(coalesce(data ->> 'user', '-'), ' ' ORDER BY id) FROM
    (SELECT id, CASE type WHEN 't' THEN '{}' ELSE data END AS data FROM pgevents.log) l")" "11 10 - 10 11" "events"
}
it "an open transaction that revoked a user delays no other revocation, no publisher and no token check" others_go_on

meanwhile() {
  local database issued
  fresh_database database
  session one "$database"
  run_in one "BEGIN; SELECT FROM pgevents.revoke('10');"
  issued=$(q "$database" "SELECT pgevents.us(clock_timestamp())") # by the old password, say
  run_in one "SELECT pg_sleep(0.01); COMMIT;"
  is "$(q "$database" "SELECT pgevents.token_revoked('10', $issued)")" t "the token that was issued meanwhile"
  is "$(q "$database" "SELECT pgevents.token_revoked('10', pgevents.us(clock_timestamp()))")" f "one that is issued now"
  is "$(q "$database" "$differences")" "" "differences"
}
it "a token that is issued while the revoking transaction is open is rejected after its commit" meanwhile

prune_passes_over() {
  local database
  fresh_database database
  q "$database" "INSERT INTO pgevents.settings VALUES ('revocation_retention', '1 day');
    INSERT INTO pgevents.revocations SELECT n, '2000-01-01', '2000-01-01' FROM generate_series(1, 3) n"
  session one "$database"
  run_in one "BEGIN; SELECT FROM pgevents.revoke('2', 'infinity');"
  is "$(promptly "$database" "SELECT pgevents.prune()")" 2 "pruned meanwhile"
  run_in one "COMMIT;"
  q "$database" "SELECT pgevents.prune()" >/dev/null
  is "$(q "$database" "SELECT string_agg(r::text, ' ') FROM pgevents.revocations() r")" "(2,9223372036854775807)" "left"
}
it "pruning skips a revocation that an open transaction has renewed, and keeps it afterwards" prune_passes_over

serializable_revoke() {
  local database
  fresh_database database
  session one "$database"
  run_in one "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pgevents.revocations();"
  q "$database" "SELECT pgevents.revoke('10', '$first')" >/dev/null
  run_in one "SELECT FROM pgevents.revoke('10', '-infinity'); COMMIT;"
  output one | grep -q "could not serialize access" || fail "$(output one)"
  is "$(q "$database" "$differences")" "" "differences"
  is "$(q "$database" "SELECT string_agg(r::text, ' ') FROM pgevents.revocations() r")" "(10,1)" "revoked"
}
it "PostgreSQL rejects a repeatable-read transaction that revokes a changed row, and its event" serializable_revoke

# The examples of docs/sql.md, section 6, on the tables that they name.
documented_examples() {
  local database examples
  examples=$(awk '/^## 6\./ { on = 1 } /^## 7\./ { on = 0 } /^```$/ { code = 0 } on && code; /^```sql$/ { code = 1 }' "$repo/docs/sql.md")
  is "$(grep -o "pgevents.revoke(\|pgevents.disconnect(\|CREATE TRIGGER put_out" <<<"$examples" | sort | uniq -c | tr -s ' \n' ' ')" \
    " 1 CREATE TRIGGER put_out 1 pgevents.disconnect( 5 pgevents.revoke( " "the examples found"
  fresh_database database
  q "$database" "CREATE TABLE users (id int, department text, is_active boolean, password_hash text);
    INSERT INTO users SELECT n, 'sales', true, 'x' FROM generate_series(20, 22) n;
    SET ROLE pgevents_admin; SELECT pgevents.revoke(user_id => '10', before => now()); RESET ROLE; $examples" >/dev/null
  is "$(q "$database" "SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM pgevents.revocations()")" \
    "20 21 22" "revoked"
  attach_refused "$database" put_out
  q "$database" "UPDATE users SET is_active = false WHERE id = 20; UPDATE users SET password_hash = 'y' WHERE id = 21"
  is "$(q "$database" "SELECT pgevents.token_revoked('20', us), pgevents.token_revoked('21', us)
    FROM pgevents.us(now()) us")" "t|f" "new tokens"
  is "$(q "$database" "SELECT string_agg(data ->> 'user', ' ' ORDER BY id) FROM pgevents.log")" \
    "10 10 20 21 22 10 10 10 20 21" "events"
}
it "the examples of docs/sql.md work as described" documented_examples

# Few users, many transactions: revoke, revoke for ever and lift, some of them rolled back.
cat >"$work/revoke.sql" <<'E2'
\set user random(1, 3)
\set other random(4, 5)
\set act random(1, 3)
\set time random(1, 1000000)
\set pause random(0, 10)
\set fate random(1, 10)
BEGIN;
SELECT act(:user::text, :act, :time);
\sleep :pause ms
SELECT act(:other::text, 4 - :act, :time);
\if :fate = 1
ROLLBACK;
\else
COMMIT;
\endif
E2

# revoke_storm DATABASE BODY-OF-LIFT: number of snapshots with a difference, while eight clients run
revoke_storm() {
  local clients
  q "$1" "CREATE OR REPLACE FUNCTION lift(who text) RETURNS void LANGUAGE sql AS \$\$ $2 \$\$;
    CREATE OR REPLACE FUNCTION act(who text, act int, at int) RETURNS void LANGUAGE sql AS \$\$
      SELECT CASE act WHEN 1 THEN pgevents.revoke(who, to_timestamp(at)) WHEN 2 THEN pgevents.revoke(who, 'infinity')
        ELSE lift(who) END \$\$;
    CREATE OR REPLACE PROCEDURE compare(INOUT different int) LANGUAGE plpgsql AS \$\$
    DECLARE finish timestamptz := clock_timestamp() + interval '4 seconds';
    BEGIN
      WHILE clock_timestamp() < finish LOOP
        different := different + (SELECT count(*) FROM ($differences) d);
        COMMIT;
      END LOOP;
    END \$\$"
  pgbench -n -c 8 -j 1 -T 4 -f "$work/revoke.sql" "$1" >"$work/pgbench.out" 2>&1 &
  clients=$!
  q "$1" "CALL compare(0)"
  wait "$clients" || fail "$(tail -n 5 "$work/pgbench.out")"
}

revoke_race() {
  local database
  fresh_database database
  is "$(revoke_storm "$database" "SELECT pgevents.revoke(who, '-infinity')")" 0 "differences while clients were at it"
  is "$(q "$database" "$differences")" "" "differences at the end"
  (($(q "$database" "SELECT count(*) FROM pgevents.log") > 300)) || fail "too few events: $(cat "$work/pgbench.out")"
  fresh_database database
  (($(revoke_storm "$database" "DELETE FROM pgevents.revocations WHERE user_id = who;
    SELECT pgevents.publish_control('pgevents.revoked', json_build_object('user', who, 'before_us', 0))") > 0)) ||
    fail "the control, which lifts by deleting only, made no difference: this test proves nothing"
}
it "a client that follows the events and one that reads the table agree on every user at any moment" revoke_race
