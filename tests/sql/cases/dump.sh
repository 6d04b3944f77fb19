# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Dumps, and each usual way of restoring them, with clients whose cursors are older.

dump_file=$work/dump.custom

# dump_source: sets $dumped. Events 2 to 21 on channel c, 2 to 11 pruned; staged rows of all of them; then the dump;
# then five more events (22 to 26), which the dump lacks. Cursors of clients: 5 (pruned), 15 and 21 (all later events
# are kept), 24 (ahead).
dump_source() {
  fresh_database dumped
  q "$dumped" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(2, 21) n" >/dev/null
  q "$dumped" "INSERT INTO pgevents.revocations VALUES ('10', 'infinity');
    INSERT INTO pgevents.users (user_id) VALUES ('10');
    UPDATE pgevents.settings SET value = '3 days' WHERE name = 'retention';
    UPDATE pgevents.log SET ts = now() - interval '4 days' WHERE id <= 11; SELECT pgevents.prune_log(100)" >/dev/null
  is "$(q "$dumped" "SELECT pgevents.status() ->> 'staged'")" 21 "staged rows in the dump"
  # Two events that were left and have no ids yet.
  session sequencer "$dumped"
  session holder "$dumped"
  run_in sequencer "SELECT pgevents.sequencer_begin();"
  run_in holder "BEGIN; SELECT pg_advisory_xact_lock(1885824374, 1);"
  q "$dumped" "SELECT pgevents.publish('left', 't', '1'); SELECT pgevents.publish('left', 't', '2')" >/dev/null
  close_session holder
  close_session sequencer
  pg_dump -Fc -f "$dump_file" -d "$dumped"
  q "$dumped" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(22, 26) n" >/dev/null
}

# What a client with a cursor gets first: reset and reason, or the ids.
told() {
  q "$1" "SELECT string_agg(CASE type WHEN 'pgevents.reset' THEN data::json ->> 'reason' ELSE id::text END, ' ') FROM
    (SELECT * FROM pgevents.fetch('{c}', $2, NULL, 100, 9999) WHERE channel_id IS NOT NULL LIMIT 3) e"
}

cursors_are_answered() {
  local replayed=${2% *}
  is "$(told "$1" 5) | $(told "$1" 15) | $(told "$1" 21) | $(told "$1" 24)" \
    "pruned 12 13 | 16 17 18 | $2 | ahead ${replayed:-12 13}" "clients, $3"
  is "$(q "$1" "SELECT string_agg(s.continuous::text, ' ')
    FROM pgevents.log l, unnest(ARRAY[l.id, l.id + 3]) known, pgevents.listener_start(known, pgevents.us(l.ts), 9) s
    WHERE l.id = 21")" "true true" "listeners that knew event 21, or 24, $3: both start afresh"
}

# judge_restored DATABASE SETTING: as soon as it is restored, after install.sql, and when it has grown beyond the lost
# events.
judge_restored() {
  is "$(q "$1" "SELECT string_agg(id || '=' || data, ' ' ORDER BY id) FROM pgevents.log WHERE channel_id = 'c'")" \
    "12=12 13=13 14=14 15=15 16=16 17=17 18=18 19=19 20=20 21=21" "each event once"
  is "$(told "$1" 5) | $(told "$1" 21) | $(told "$1" 24)" "pruned 12 13 |  | ahead 12 13" "clients at once"
  install_schema "$1" >/dev/null
  is "$(q "$1" "SELECT string_agg(tgname || tgenabled::text, ' ' ORDER BY tgname) FROM pg_trigger
    WHERE tgname IN ('staging_sequence', 'turns_sequence', 'log_notify')")" \
    "log_notifyR staging_sequenceA turns_sequenceA" "triggers"
  is "$(q "$1" "SELECT pgevents.status() ->> 'staged'")" 0 "stale staged rows"
  cursors_are_answered "$1" "" "after install.sql"
  is "$(q "$1" "SELECT count(*) FROM pgevents.ready")" 2 "events without ids"
  q "$1" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 9) n" >/dev/null
  is "$(q "$1" "SELECT string_agg(channel_id || data, ' ' ORDER BY id) FROM (SELECT * FROM pgevents.log
    WHERE id > $(newest "$1") ORDER BY id LIMIT 3) l")" "left1 left2 c1" "what was left"
  is "$(q "$1" "SELECT count(*) FROM pgevents.ready")" 0 "events without ids, later"
  is "$(q "$1" "SELECT count(*) FILTER (WHERE id > $(newest "$1")), count(*) FROM pgevents.log WHERE channel_id = 'c'")" \
    "9|19" "events of the new generation, and all"
  cursors_are_answered "$1" "$(q "$1" "SELECT string_agg(id::text, ' ' ORDER BY id) FROM
    (SELECT id FROM pgevents.log WHERE channel_id = 'c' AND id > 21 ORDER BY id LIMIT 3) l")" "when it has grown"
  is "$(q "$1" "SELECT pgevents.token_revoked('10', 1), (SELECT count(*) FROM pgevents.users)")" \
    "t|1" "revocation, directory"
  is "$(q "$1" "SELECT value FROM pgevents.settings WHERE name = 'retention'")" "${2:-3 days}" "a setting"
}

restore() { pg_restore --exit-on-error "$@" "$dump_file"; }
restore_as_script() { pg_restore -f - "${@:2}" "$dump_file" | psql -Xq -v ON_ERROR_STOP=1 -d "$1" >/dev/null; }
# The preparation of docs/sql.md for a database where install.sql has run already.
prepare() {
  install_schema "$1" >/dev/null
  q "$1" "TRUNCATE pgevents.settings, pgevents.migrations, pgevents.prunes"
}

# way NAME COMMAND… [+ COMMAND…]: restores into an empty database, @copy
ways() {
  way "whole, a script" restore_as_script @copy
  way "whole, four at once" restore -j 2 -d @copy
  way "schema, then data, a script" restore_as_script @copy --schema-only + restore_as_script @copy --data-only
  way "schema, then data, several at once" restore --schema-only -d @copy + restore --data-only -j 2 -d @copy
  way "schema, then data without triggers" restore --schema-only -d @copy + restore --data-only --disable-triggers -d @copy
  way "in sections" restore --section=pre-data -d @copy + restore --section=data -d @copy + restore --section=post-data -d @copy
  way "data only, where install.sql ran" prepare @copy + restore_as_script @copy --data-only
  way "data only, without triggers, where install.sql ran" prepare @copy + restore --data-only --disable-triggers -j 2 -d @copy
}

way() {
  local name=$1 word command=()
  shift
  empty_database copy "TEMPLATE template0"
  for word in "$@" +; do
    if [[ $word == + ]]; then
      "${command[@]}" || fail "$name: ${command[*]}"
      command=()
    else
      command+=("${word/#@copy/$copy}")
    fi
  done
  (judge_restored "$copy") || fail "$name"
  q postgres "DROP DATABASE $copy"
}

every_way() {
  local dumped copy
  dump_source
  ways
}

in_place() {
  local dumped
  dump_source
  restore --clean -d "$dumped"
  judge_restored "$dumped"
}

in_place_data() {
  local dumped
  dump_source
  q "$dumped" "DO \$\$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(c.oid::regclass::text, ', ') FROM pg_class c
    WHERE c.relnamespace = 'pgevents'::regnamespace AND c.relkind = 'r'); END \$\$"
  restore --data-only -d "$dumped"
  judge_restored "$dumped"
}

staged_rows() {
  local database
  fresh_database database
  q "$database" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  psql -XAtq -v ON_ERROR_STOP=1 -d "$database" <<'EOS'
COPY pgevents.staging (turn, channel_id, type, data, staged_at) FROM stdin;
-7	c	t	1	2026-01-01 00:00:00+00
7	c	t	1	\N
\N	c	t	1	\N
\.
COPY pgevents.turns (turn, channel_id, type, data, expires_at, staged_at) FROM stdin;
7	c	t	1	\N	2026-01-01 00:00:00+00
\.
EOS
  is "$(q "$database" "SELECT count(*) FROM pgevents.log")" 1 "events"
}

unprepared() {
  local dumped copy
  dump_source
  empty_database copy "TEMPLATE template0"
  install_schema "$copy" >/dev/null
  if pg_restore --data-only -d "$copy" "$dump_file" 2>"$work/errors"; then fail "it succeeded"; fi
  is "$(sed -n 's/.*violates unique constraint "\(.*\)"/\1/p' "$work/errors" | sort | tr '\n' ' ')" "migrations_pkey settings_pkey " \
    "complaints"
  # Despite the error everything else is restored; the settings are those of the new installation.
  judge_restored "$copy" "7 days"
}

if [[ $(pg_dump --version | tr -dc '0-9.' | cut -d. -f1) -ge $(($(q postgres "SHOW server_version_num") / 10000)) ]]; then
  it "staged rows and turns that come from a dump are not published" staged_rows
  it "a dump restored in any usual way has each event once, and every earlier cursor is served or gets a reset" \
    every_way
  it "the same holds if the dump replaces the database that it comes from" in_place
  it "the same holds if its data replaces that of the database that it comes from" in_place_data
  it "restoring data into a new installation without preparation fails with an error, and cursors get resets" unprepared
fi
