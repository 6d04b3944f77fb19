# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# Installing and upgrading. Runs first: the roles do not exist yet in a private cluster.

roles_exist() { [[ $(q postgres "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'pgevents\\_%er'") != 0 ]]; }

missing_roles() {
  local database
  q postgres "CREATE ROLE ${prefix}_plain LOGIN"
  empty_database database "OWNER ${prefix}_plain"
  if PGUSER=${prefix}_plain install_schema "$database" 2>"$work/errors"; then fail "it installed"; fi
  grep -q "may not create it" "$work/errors" || fail "$(cat "$work/errors")"
  grep -q "CREATE ROLE pgevents_server NOLOGIN; CREATE ROLE pgevents_publisher NOLOGIN; CREATE ROLE pgevents_admin NOLOGIN;\$" \
    "$work/errors" || fail "no hint: $(cat "$work/errors")"
  is "$(q "$database" "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgevents'")" 0 "schemas left behind"
}
if ! roles_exist; then
  it "without CREATEROLE and without the roles, installing names the statements for an administrator" missing_roles

  # The state before an upgrade that brings a new role.
  missing_role() {
    local database
    q postgres "CREATE ROLE ${prefix}_upgrader LOGIN; CREATE ROLE pgevents_server; CREATE ROLE pgevents_publisher"
    empty_database database "OWNER ${prefix}_upgrader"
    if PGUSER=${prefix}_upgrader install_schema "$database" 2>"$work/errors"; then fail "it installed"; fi
    grep -q "Let an administrator run: CREATE ROLE pgevents_admin NOLOGIN;\$" "$work/errors" ||
      fail "$(cat "$work/errors")"
    q postgres "CREATE ROLE pgevents_admin NOLOGIN"
    PGUSER=${prefix}_upgrader install_schema "$database"
    q "$database" "DROP SCHEMA pgevents CASCADE"
    q postgres "DROP ROLE pgevents_server; DROP ROLE pgevents_publisher; DROP ROLE pgevents_admin"
  }
  it "with one role missing, installing names it, and succeeds when it exists" missing_role
fi

ordinary_owner() {
  local database
  q postgres "CREATE ROLE ${prefix}_owner LOGIN CREATEROLE"
  empty_database database "OWNER ${prefix}_owner"
  PGUSER=${prefix}_owner install_schema "$database"
  PGUSER=${prefix}_owner install_schema "$database"
  is "$(q "$database" "SELECT tableowner FROM pg_tables WHERE schemaname = 'pgevents' AND tablename = 'log'")" \
    "${prefix}_owner" "owner of the log"
  q postgres "CREATE ROLE ${prefix}_application LOGIN; CREATE ROLE ${prefix}_server LOGIN;
    CREATE ROLE ${prefix}_admin LOGIN"
  PGUSER=${prefix}_owner q "$database" "GRANT pgevents_publisher TO ${prefix}_application;
    GRANT pgevents_server TO ${prefix}_server;
    GRANT pgevents_admin TO ${prefix}_admin"
  PGUSER=${prefix}_application q "$database" "INSERT INTO pgevents.events (channel_id, data)
    VALUES ('c', '{\"type\":\"t\"}')"
  PGUSER=${prefix}_server q "$database" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', 'k')" >/dev/null
  is "$(PGUSER=${prefix}_server q "$database" "SELECT string_agg(id || type, ' ')
    FROM pgevents.fetch('{c}', 0, NULL, 9, 999)")" \
    "2t 3t 3end" "events"
  is "$(PGUSER=${prefix}_server q "$database" "SELECT pgevents.prune()")" 2 "pruned"
  PGUSER=${prefix}_admin q "$database" "SELECT pgevents.revoke('10'), pgevents.disconnect('10')" >/dev/null
  is "$(PGUSER=${prefix}_server q "$database" "SELECT pgevents.token_revoked('10', 1), count(*)
    FROM pgevents.revocations()")" "t|1" "revoked"
}
it "a role without superuser installs, upgrades and owns the schema; applications and servers work" ordinary_owner

# refused_to_install DATABASE MESSAGE [OPTION…]: installing as the superuser fails with this message, and has not
# executed another role's code
refused_to_install() {
  if install_schema "$1" "${@:3}" 2>"$work/errors"; then fail "it installed over another role's objects"; fi
  grep -qF "pgevents: $2; nothing was installed" "$work/errors" || fail "$(cat "$work/errors")"
  is "$(q postgres "SELECT rolsuper FROM pg_roles WHERE rolname = '${prefix}_mallory'")" f "a superuser by now"
}

# A role that may create schemas plants a trigger that makes it a superuser as soon as a superuser installs.
planted() {
  local database mallory=${prefix}_mallory part
  q postgres "CREATE ROLE $mallory LOGIN"
  empty_database database
  q "$database" "GRANT CREATE ON DATABASE $database TO $mallory"
  PGUSER=$mallory q "$database" "CREATE SCHEMA pgevents; GRANT ALL ON SCHEMA pgevents TO PUBLIC;
    CREATE TABLE pgevents.migrations (version int PRIMARY KEY, name text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT now());
    GRANT ALL ON pgevents.migrations TO PUBLIC;
    CREATE FUNCTION pgevents.trap() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN ALTER ROLE $mallory SUPERUSER;
      RETURN NEW; END \$\$;
    CREATE TRIGGER trap BEFORE INSERT ON pgevents.migrations FOR EACH ROW EXECUTE FUNCTION pgevents.trap()"
  refused_to_install "$database" "schema pgevents belongs to $mallory, not to $PGUSER"
  # Each object of the schema is checked: the schema is the superuser's own, but an object in it is not.
  for part in "TABLE pgevents.migrations (version int)|table pgevents.migrations" \
    "VIEW pgevents.v AS SELECT 1|view pgevents.v" \
    "FUNCTION pgevents.name_is_sane(name text) RETURNS boolean LANGUAGE sql AS 'SELECT true'|function pgevents.name_is_sane(text)" \
    "TYPE pgevents.t AS ENUM ('x')|type pgevents.t" "SEQUENCE pgevents.log_id_seq|sequence pgevents.log_id_seq" \
    "OPERATOR pgevents.= (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)|operator pgevents.=(integer,integer)"; do
    q "$database" "DROP SCHEMA pgevents CASCADE; CREATE SCHEMA pgevents; GRANT ALL ON SCHEMA pgevents TO $mallory"
    PGUSER=$mallory q "$database" "CREATE ${part%|*}"
    refused_to_install "$database" "${part#*|} belongs to $mallory, not to $PGUSER"
  done
  # Nothing is planted yet, but the role could add a function of the same name later.
  q "$database" "DROP SCHEMA pgevents CASCADE; CREATE SCHEMA pgevents;
    GRANT USAGE, CREATE ON SCHEMA pgevents TO $mallory"
  refused_to_install "$database" "$mallory may create objects in schema pgevents"
  q "$database" "REVOKE CREATE ON SCHEMA pgevents FROM $mallory; GRANT CREATE ON SCHEMA pgevents TO PUBLIC"
  refused_to_install "$database" "PUBLIC may create objects in schema pgevents"
  # The same in an installation that is in use.
  q "$database" "DROP SCHEMA pgevents CASCADE"
  install_schema "$database"
  q "$database" "ALTER TABLE pgevents.users OWNER TO $mallory"
  refused_to_install "$database" "table pgevents.users belongs to $mallory, not to $PGUSER"
  refused_to_install "$database" "schema pgevents belongs to $PGUSER, not to $mallory" -v owner="$mallory"
}
it "a schema that another role owns, or an object in it, is rejected by name before it can do anything" planted

dedicated_owner() {
  local database owner=${prefix}_dedicated
  q postgres "CREATE ROLE $owner"
  empty_database database
  install_schema "$database" -v owner="$owner"
  install_schema "$database" -v owner="$owner"
  is "$(q "$database" "SELECT string_agg(DISTINCT o::text, ' ') FROM (
      SELECT nspowner::regrole AS o FROM pg_namespace WHERE nspname = 'pgevents'
      UNION ALL SELECT relowner::regrole FROM pg_class WHERE relnamespace = 'pgevents'::regnamespace
      UNION ALL SELECT proowner::regrole FROM pg_proc
        WHERE pronamespace = 'pgevents'::regnamespace) owners")" "$owner" "owners"
  q "$database" "SET ROLE pgevents_publisher; SELECT pgevents.publish('c', 't', '1')" >/dev/null
  is "$(q "$database" "SET ROLE pgevents_server; SELECT count(*) FROM pgevents.fetch('{c}', 0, NULL, 9, 99)")" 2 "rows"
  if install_schema "$database" 2>"$work/errors"; then fail "without -v owner= it installed"; fi
  grep -q "schema pgevents belongs to $owner, not to .*; nothing was installed" "$work/errors" ||
    fail "$(cat "$work/errors")"
  grep -q "with -v owner=$owner" "$work/errors" || fail "no hint: $(cat "$work/errors")"
}
it "a superuser installs for a role that cannot log in and has no other rights, which owns everything" dedicated_owner

# A dump of the schema without the lines that differ between machines.
dump() {
  pg_dump --schema-only --schema=pgevents --no-owner -d "$1" |
    sed -e '/^--/d' -e '/^SET /d' -e '/^SELECT pg_catalog.set_config/d' -e '/^\\\(un\)\?restrict/d' -e '/^$/d'
}

installed_twice() {
  local database
  empty_database database
  install_schema "$database"
  dump "$database" >"$work/once.sql"
  q "$database" "SELECT pgevents.publish('c', 't', '1')" >/dev/null
  install_schema "$database"
  dump "$database" >"$work/twice.sql"
  diff "$work/once.sql" "$work/twice.sql" || fail "the schema differs"
  is "$(q "$database" "SELECT string_agg(version || name, ' ' ORDER BY version) FROM pgevents.migrations")" \
    "1event_log 2idempotency_keys 3revocations 4presence 5generations 6crash_mark 7one_check 8strict 9status 10group_commit \
11outbox 12copies" "migrations"
  is "$(q "$database" "SELECT count(*) FROM pgevents.log")" 1 "events"
}
it "installing twice changes nothing" installed_twice

golden() {
  local database
  empty_database database
  install_schema "$database"
  dump "$database" >"$work/schema.sql"
  if [[ -n ${PGEVENTS_UPDATE_GOLDEN-} ]]; then cp "$work/schema.sql" "$here/schema.golden.sql"; fi
  diff "$here/schema.golden.sql" "$work/schema.sql" ||
    fail "the schema is not that of schema.golden.sql (wanted change: PGEVENTS_UPDATE_GOLDEN=1 tests/sql/run.sh)"
}
# pg_dump's layout and the server's output of views differ between major versions.
if [[ $(pg_dump --version) =~ \)\ 15\. && $(q postgres "SHOW server_version_num") == 15* ]]; then
  it "the schema is that of schema.golden.sql" golden
fi

strictness() { q "$1" "SELECT string_agg(value, ' ') FROM pgevents.settings
  WHERE name IN ('reserved_types', 'unknown_members')"; }

# stays_lenient VERSION FRESH OLD: publishing that worked before version 8 still does, with warnings.
stays_lenient() {
  if (($1 >= 8)); then
    is "$(strictness "$2") $(strictness "$3")" "error error error error" "a new installation and an upgraded one"
    q "$3" "INSERT INTO pgevents.events (channel_id, data) VALUES ('c', '{\"type\":\"t\"}')"
    return
  fi
  is "$(strictness "$2") $(strictness "$3")" "error error warning warning" "a new installation and an upgraded one"
  q "$3" "INSERT INTO pgevents.events (channel_id, data)
    VALUES ('c', '{\"type\":\"open\",\"pieces\":92}')" 2>"$work/warnings"
  is "$(grep -c WARNING "$work/warnings")" 2 "warnings of an upgraded installation: $(cat "$work/warnings")"
}

upgraded() {
  local from=$1 latest fresh old rows events timings
  latest=$(sed -n 's/^\\set latest //p' "$repo/sql/install.sql")
  empty_database fresh
  is "$(install_schema "$fresh")" "pgevents: schema version $latest is installed" "its output"
  empty_database old
  install_schema "$old" -v "to=$from"
  is "$(q "$old" "SELECT max(version) FROM pgevents.migrations")" "$from" "version before the upgrade"
  # Written directly, because the publishing functions are those of the newest version.
  q "$old" "INSERT INTO pgevents.log (id, channel_id, ts, type, data, expires_at)
      SELECT nextval('pgevents.log_id_seq'), 'c', now(), 't', to_json(n), CASE WHEN n = 3 THEN now() + interval '1 day' END
        FROM generate_series(1, 9) n;
    UPDATE pgevents.settings SET value = '3 days' WHERE name = 'retention';
    UPDATE pgevents.log SET ts = now() - interval '4 days' WHERE id = 2;
    SELECT pgevents.prune_log(10)" >/dev/null
  if ((from >= 2)); then
    q "$old" "INSERT INTO pgevents.idempotency_keys (scope, body_digest, event_id)
      SELECT scope, sha256(convert_to('{\"type\":\"t\"}', 'UTF8')), 7
        FROM sha256(convert_to('[null, null, \"c\", \"earlier\"]', 'UTF8')) scope"
  fi
  if ((from >= 5)); then
    # Versions before 8 wrote it without the log's file.
    q "$old" "UPDATE pgevents.generations SET place = regexp_replace(place, '/[0-9]+\$', '')"
  fi
  rows="TABLE pgevents.log; TABLE pgevents.history; SELECT * FROM pgevents.settings WHERE name ~ 'retention'"
  events=$(q "$old" "$rows")
  if diff <(dump "$fresh") <(dump "$old") >/dev/null; then fail "version $from does not differ from the newest"; fi
  is "$(install_schema "$old" | sed -n 1p)" "pgevents: schema version $latest is installed, upgraded from $from" \
    "its output"
  is "$(install_schema "$old")" "pgevents: schema version $latest is installed already" "its output when it ran again"
  diff <(dump "$fresh") <(dump "$old") || fail "upgraded from $from, the schema is not that of a fresh installation"
  is "$(q "$old" "$rows")" "$events" "rows after the upgrade"
  timings="SELECT string_agg(s::text, ' ' ORDER BY name) FROM pgevents.settings s WHERE name ~ '^(presence|typing)_'"
  is "$(q "$old" "$timings")" "$(q "$fresh" "$timings")" "timings"
  stays_lenient "$from" "$fresh" "$old"
  is "$(q "$old" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', 'k') ->> 'id'")" 12 "the next id"
  if ((from >= 2)); then
    is "$(q "$old" "SELECT pgevents.http_publish('{}', 'c', '{\"type\":\"t\"}', 'earlier') ->> 'id'")" \
      7 "the id of an idempotency key"
  fi
  is "$(q "$old" "SELECT pgevents.status() ->> 'version'")" \
    "$(sed -n 's/^\\set latest //p' "$repo/sql/install.sql")" "version"
  q "$old" "SELECT pgevents.revoke('10')" >/dev/null
  is "$(q "$old" "SELECT data ->> 'user' FROM pgevents.log WHERE id = 13")" 10 "a revocation after the upgrade"
  is "$(q "$old" "SELECT pgevents.token_revoked('10', 1)")" t "token"
  q "$old" "INSERT INTO pgevents.users (user_id) VALUES ('10');
    SELECT pgevents.http_report_presence('{\"user\":\"10\"}', '{\"status\":\"active\"}')" >/dev/null
  is "$(q "$old" "SELECT type FROM pgevents.log WHERE id = 14")" presence "presence after the upgrade"
}
upgraded_from_the_version_before() {
  local files=("$repo"/sql/migrations/*.sql) version
  for ((version = 1; version < ${#files[@]}; version++)); do upgraded "$version"; done
}
it "upgraded from every earlier version, the schema is that of a fresh installation and the events stay" \
  upgraded_from_the_version_before

# Autovacuum's settings for the log; a value that an administrator has set before the upgrade stays.
autovacuum_set() {
  local database
  empty_database database
  install_schema "$database" -v to=8
  q "$database" "ALTER TABLE pgevents.log SET (autovacuum_vacuum_scale_factor = 0.01, fillfactor = 95)"
  install_schema "$database" >/dev/null
  is "$(q "$database" "SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE oid = 'pgevents.log'::regclass")" \
    "autovacuum_vacuum_scale_factor=0.01 fillfactor=95 autovacuum_vacuum_insert_scale_factor=0.05 \
autovacuum_analyze_scale_factor=0.05" "upgraded"
  q "$database" "ALTER TABLE pgevents.log RESET (autovacuum_analyze_scale_factor)"
  install_schema "$database" >/dev/null
  is "$(q "$database" "SELECT 'autovacuum_analyze_scale_factor=0.05' = ANY (reloptions) FROM pg_class
    WHERE oid = 'pgevents.log'::regclass")" f "set again by a later installation"
}
it "the schema sets autovacuum for the log once, and keeps what an administrator has set" autovacuum_set

grants_stay() {
  local database
  empty_database database
  install_schema "$database"
  q "$database" "CREATE ROLE ${prefix}_reader; GRANT USAGE ON SCHEMA pgevents TO ${prefix}_reader;
    GRANT SELECT ON pgevents.events TO ${prefix}_reader; GRANT SELECT ON pgevents.log TO pgevents_server"
  install_schema "$database"
  is "$(q "$database" "SELECT has_table_privilege('${prefix}_reader', 'pgevents.events', 'SELECT')")" \
    t "granted by an administrator"
  is "$(q "$database" "SELECT has_table_privilege('pgevents_server', 'pgevents.log', 'SELECT')")" \
    f "too much for the server"
}
it "an upgrade keeps what an administrator granted to others, and restores the rights of its own roles" grants_stay

newer() {
  local database
  empty_database database
  install_schema "$database"
  q "$database" "INSERT INTO pgevents.migrations (version, name) VALUES (999, 'from the future');
    DROP FUNCTION pgevents.status()"
  if install_schema "$database" 2>"$work/errors"; then fail "it installed"; fi
  grep -q "the database has a newer version; nothing was installed" "$work/errors" || fail "$(cat "$work/errors")"
  is "$(q "$database" "SELECT count(*) FROM pg_proc WHERE proname = 'status'
    AND pronamespace = 'pgevents'::regnamespace")" 0 \
    "functions put back"
}
it "a database of a newer version is rejected and not changed" newer

other_encoding() {
  local database
  empty_database database "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
  if install_schema "$database" 2>"$work/errors"; then fail "it installed"; fi
  grep -q "needs a database with encoding UTF8, this one has LATIN1" "$work/errors" || fail "$(cat "$work/errors")"
}
it "a database in another encoding is rejected" other_encoding

from_anywhere() {
  local database
  empty_database database
  (cd / && psql -Xq -d "$database" -f "$repo/sql/install.sql")
  empty_database database
  (cd "$repo/sql/functions" && psql -Xq -d "$database" -f ../install.sql)
  is "$(q "$database" "SELECT pgevents.head()")" 1 "head"
}
it "it installs from any working directory" from_anywhere

at_once() {
  local database pids=() pid
  empty_database database
  for _ in 1 2 3; do
    install_schema "$database" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || fail "one of three failed"; done
  is "$(q "$database" "SELECT count(*) FROM pgevents.migrations")" 12 "migrations"
}
it "three installations at once all succeed" at_once

all_or_nothing() {
  local database
  cp -r "$repo/sql" "$work/broken"
  echo "SELECT no_such_function();" >>"$work/broken/functions/log/status.sql"
  empty_database database
  if psql -Xq -d "$database" -f "$work/broken/install.sql" 2>/dev/null; then fail "it installed"; fi
  is "$(q "$database" "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgevents'")" 0 "schemas left behind"
}
it "an installation that fails leaves nothing" all_or_nothing

# The file of a function: in the folder of its area, or in `internal` below that.
file_of() { find "$repo/sql/functions" -name "$1.sql"; }

files_complete() {
  local file name forms database
  for file in "$repo"/sql/migrations/*.sql "$repo"/sql/functions/*/*.sql "$repo"/sql/functions/*/internal/*.sql; do
    name=${file#"$repo/sql/"}
    grep -q "^\\\\ir $name\$" "$repo/sql/install.sql" || fail "install.sql does not include $name"
  done
  file=$(printf '%s\n' "$repo"/sql/migrations/*.sql | tail -n 1)
  name=$(basename -- "$file")
  is "$(sed -n 's/^\\set latest //p' "$repo/sql/install.sql")" "$((10#${name%%_*}))" "latest in install.sql"
  empty_database database
  install_schema "$database"
  is "$(q "$database" "SELECT version FROM pgevents.schema_version()")" "$((10#${name%%_*}))" "version of the functions"
  while read -r name forms; do
    file=$(file_of "$name")
    [[ -f $file ]] || fail "no file for $name()"
    is "$(grep -c "^CREATE " "$file")" "$forms" "statements in $file"
    head -n 1 "$file" | grep -q -- "^-- pgevents\.$name(.*): " || fail "$file does not open with the purpose of $name()"
    for heading in Parameters Returns Errors Tables; do
      grep -q -- "^-- $heading: " "$file" || fail "$file lacks the heading $heading"
    done
  done < <(q "$database" "SELECT proname || ' ' || count(*) FROM pg_proc
    WHERE pronamespace = 'pgevents'::regnamespace GROUP BY proname")
}
it "install.sql includes every file, and every function has a file of its own that describes it" files_complete

# Reads source lines that take an advisory lock; prints NAME|NUMBER|KEY of each, the key as … if it is computed, and
# every other line as it is.
lock_of_line() {
  sed -E -e 's/.*advisory_(xact_)?(un)?lock(_shared)?\(([0-9]+), ([0-9]+)\).*  -- lock "([a-z ]+)"$/\6|\4|\5/; t' \
    -e 's/.*advisory_xact_lock\(([0-9]+), .*\).*  -- lock "([a-z ]+)"$/\2|\1|…/'
}

locks_named() {
  diff <(sed -nE 's/^\| .([a-z ]+). \| .([0-9]+), ([0-9]+|…). \|.*/\1|\2|\3/p' "$repo/docs/sql.md" | sort -u) \
    <(grep -rhE '^[^-]*advisory_' --include='*.sql' "$repo/sql" | lock_of_line | sort -u) ||
    fail "the table of advisory locks in docs/sql.md (<) is not that of sql/ (>)"
}
it "every advisory lock is named where it is taken, and docs/sql.md lists it" locks_named

# What a role or the operator may call lies in sql/functions/*/, what an application may replace in
# sql/functions/replaceable/, all the rest in sql/functions/*/internal/.
folders_show() {
  local database name expected actual
  empty_database database
  install_schema "$database"
  while read -r name expected; do
    case $(file_of "$name") in */internal/*) actual=internal ;; */replaceable/*) actual=replaceable ;; *) actual=public ;; esac
    is "$name: $actual" "$name: $expected" "folder"
  done < <(q "$database" "SELECT proname || ' ' || CASE
      WHEN proname IN ('user_channel', 'presence_channel', 'stream_channel', 'channel_kind', 'change_settings')
        THEN 'replaceable'
      WHEN proname IN ('create_publication', 'become_copy', 'promote_copy', 'become_shard') THEN 'public'
      WHEN has_function_privilege('pgevents_server', oid, 'EXECUTE')
        OR has_function_privilege('pgevents_publisher', oid, 'EXECUTE')
        OR has_function_privilege('pgevents_admin', oid, 'EXECUTE') THEN 'public'
      ELSE 'internal' END FROM pg_proc WHERE pronamespace = 'pgevents'::regnamespace")
}
it "the folders of sql/functions show what a role may call" folders_show

documented() {
  local database name
  empty_database database
  install_schema "$database"
  for name in $(q "$database" "SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'pgevents'::regnamespace
      AND (has_function_privilege('pgevents_server', p.oid, 'EXECUTE')
        OR has_function_privilege('pgevents_publisher', p.oid, 'EXECUTE')
        OR has_function_privilege('pgevents_admin', p.oid, 'EXECUTE'))"); do
    grep -q "^### \`pgevents\.$name(" "$repo/docs/sql.md" || fail "docs/sql.md does not describe $name()"
  done
  for name in $(grep -o '^### `pgevents\.[a-z_]*(' "$repo/docs/sql.md" | tr -dc 'a-z_\n' | sed 's/^pgevents//'); do
    [[ -f $(file_of "$name") ]] || fail "docs/sql.md describes $name(), which does not exist"
  done
}
it "docs/sql.md describes every function that a role may call" documented
