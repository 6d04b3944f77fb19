# shellcheck shell=bash disable=SC2154 # prefix and others: set by run.sh

# The trigger of docs/sql.md, section 2.
documented_trigger() {
  local database example owner=${prefix}_trigger_owner clerk=${prefix}_clerk
  example=$(awk '/^```$/ { code = 0 } code; /^```sql$/ { code = 1 }' "$repo/docs/sql.md" |
    sed -n '/^CREATE FUNCTION announce_cheese/,/^CREATE TRIGGER/p')
  fresh_database database
  q "$database" "CREATE ROLE $owner IN ROLE pgevents_publisher; CREATE ROLE $clerk; GRANT CREATE ON SCHEMA public TO $owner;
    SET ROLE $owner; CREATE TABLE cheeses (id int, pieces int); GRANT INSERT ON cheeses TO $clerk; $example"
  q "$database" "SET ROLE $clerk; INSERT INTO cheeses VALUES (7, 92)"
  is "$(q "$database" "SELECT type || data FROM pgevents.log")" 'cheese_insert{"id":7,"pieces":92}' "events"
  attach_refused "$database" announce_cheese
  q "$database" "DROP OWNED BY $owner, $clerk; DROP ROLE $owner, $clerk"
}
it "the trigger of docs/sql.md publishes for those who may not, and for no other table" documented_trigger

# A role to which an administrator has granted publish() before there was more than one form of it.

granted_by_hand() {
  local database role=${prefix}_granted
  fresh_database database
  q "$database" "CREATE ROLE $role; GRANT USAGE ON SCHEMA pgevents TO $role;
    GRANT EXECUTE ON FUNCTION pgevents.publish(text, text, json, interval) TO $role"
  install_schema "$database" >/dev/null
  q "$database" "SET ROLE $role; SELECT pgevents.publish('c', 't', '1'), pgevents.publish('c', 't', '2'::jsonb)" >/dev/null
  is "$(q "$database" "SELECT string_agg(data::text, ' ' ORDER BY id) FROM pgevents.log")" "1 2" "events"
  q "$database" "DROP OWNED BY $role; DROP ROLE $role"
}
it "after an upgrade a role that was granted publish() by itself may call every form of it" granted_by_hand
