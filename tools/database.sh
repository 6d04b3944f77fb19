# shellcheck shell=bash
# The demo's database: a private PostgreSQL cluster on a Unix socket, or the one that PGEVENTS_DATABASE names.
# Sourced by ./run. `place` is where servers keep their files; see server.sh.

# The newest PostgreSQL on this machine.
pg_bin() {
  local bin
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  [[ -x $bin ]] || die "PostgreSQL's server is not installed." "apt-get install postgresql"
  printf '%s\n' "${bin%/*}"
}

# What libpq connects with: `conninfo ROLE DATABASE`. In the private cluster each part has the role that it needs and no other:
# pgevents_owner owns the schema and the chat, pgevents_demo is the servers', pgevents_demo_publisher publishes, and postgres
# makes these. The port is part of the socket's name: unsaid, PGPORT would choose it, which users set and so does Debian's psql.
conninfo() {
  case $database in
    '') printf "host='%s' port=5432 dbname=%s user=%s" "$place/pg" "${2:-pgevents}" "${1:-pgevents_owner}" ;;
    *=* | *://*) printf '%s' "$database" ;;
    *) printf "dbname='%s'" "$database" ;;
  esac
}

# psql without the user's own settings, on the demo's database. psql_as ROLE ARGUMENT…: as a role of the private cluster.
psql_as() { PGCLIENTENCODING=UTF8 psql -X -d "$(conninfo "$1")" "${@:2}"; }
run_psql() { psql_as pgevents_owner "$@"; }

# A system user that reaches the socket is known by its name (peer): the web side's user may be the servers' role and no other,
# unless it runs all of it.
write_access_rules() {
  local db=$1 user
  printf 'local all all peer map=demo\n' >"$db/pg_hba.conf"
  {
    printf 'demo %s %s\n' "$web_user" pgevents_demo
    for user in root "$db_user" "$(id -un)"; do
      printf "demo $user %s\\n" postgres pgevents_owner pgevents_demo pgevents_demo_publisher
    done
  } | sort -u >"$db/pg_ident.conf"
}

make_cluster() {
  local new=$place/pg/data.new
  rm -rf -- "$new"
  as "$db_user" "$(pg_bin)/initdb" -D "$new" -U postgres --auth=peer -E UTF8 --locale=C.UTF-8 --no-instructions || return
  cat >>"$new/postgresql.conf" <<EOF

# The demo of pgevents
listen_addresses = ''
unix_socket_directories = '$place/pg'
EOF
  mv -- "$new" "$place/pg/data"
}

# PostgreSQL clears stale lock files itself, unless their number belongs to some other process of the same user by now (or
# to a dead one that nobody has waited for).
drop_foreign_lock_files() {
  local file pid
  for file in "$place/pg/data/postmaster.pid" "$place/pg/.s.PGSQL.5432.lock"; do
    if [[ -e $file ]] && read -r pid <"$file" && [[ -e /proc/$pid ]]; then rm -f -- "$file"; fi
  done
}

run_cluster() {
  as "$db_user" "$(pg_bin)/pg_ctl" start -w -t 60 -s -D "$place/pg/data" -l "$place/pg/server.log" -o '-p 5432' && return
  tail -n 20 "$place/pg/server.log"
  return 1
}

cluster_pid() { pid_of "$place/pg/data/postmaster.pid" "$place/pg/data"; }

start_cluster() {
  [[ -z $database ]] || return 0
  if cluster_pid >/dev/null; then return; fi
  if [[ -e $place/pg/data/PG_VERSION && ! -x /usr/lib/postgresql/$(<"$place/pg/data/PG_VERSION")/bin/postgres ]]; then
    die "The demo's cluster was made by PostgreSQL $(<"$place/pg/data/PG_VERSION"), which is not installed any more." \
      "If its events are not needed: ./run down; rm -r $place/pg/data"
  fi
  [[ -e $place/pg/data/PG_VERSION ]] || step "private PostgreSQL cluster in $place/pg/data" initdb make_cluster
  write_access_rules "$place/pg/data"
  drop_foreign_lock_files
  step "PostgreSQL" postgresql run_cluster
}

stop_cluster() { stop_process PostgreSQL "$place/pg/data/postmaster.pid" "$place/pg/data" INT:20 QUIT:5; }

# The roles and the database, as the superuser, who does nothing else.
make_database() {
  PGCLIENTENCODING=UTF8 psql -X -d "$(conninfo postgres postgres)" -q -v ON_ERROR_STOP=1 <<'SQL'
SELECT format('CREATE ROLE %I %s', name, options)
  FROM (VALUES
    (1, 'pgevents_server', 'NOLOGIN'), (2, 'pgevents_publisher', 'NOLOGIN'), (3, 'pgevents_admin', 'NOLOGIN'),
    (4, 'pgevents_owner', 'LOGIN'),
    (5, 'pgevents_demo', 'LOGIN IN ROLE pgevents_server'),
    (6, 'pgevents_demo_publisher', 'LOGIN IN ROLE pgevents_publisher')) AS wanted (n, name, options)
 WHERE name NOT IN (SELECT rolname FROM pg_roles) ORDER BY n \gexec
SELECT 'CREATE DATABASE pgevents OWNER pgevents_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'pgevents') \gexec
SQL
}

# In a cluster of an earlier release everything belongs to the superuser.
check_owner() {
  local owner
  owner=$(run_psql -qtAc "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'pgevents'") || return 0
  [[ $owner == pgevents_owner ]] ||
    die "The demo's cluster was made by an earlier release: its database belongs to $owner." \
      "If its events are not needed: ./run down; rm -r $place/pg/data"
}

# Installs or upgrades the schema; does nothing to a schema that is of this version.
install_schema() { run_psql -q -v ON_ERROR_STOP=1 -f "$repo/sql/install.sql"; }

need_database() {
  local words
  words=$(run_psql -qtAc 'SELECT 1' 2>&1 >/dev/null) && return
  printf '%s\n' "$words" >&2
  [[ -z $database ]] || die "The database of PGEVENTS_DATABASE cannot be reached (psql says why above): $database"
  die "The demo's database cannot be reached. Is it running? ./run up"
}

cmd_psql() {
  find_place
  run_psql "$@"
}

cmd_publish() {
  (($# == 3)) || die "Usage: ./run publish CHANNEL TYPE JSON" \
    "For example: ./run publish cheese cheese_created '{\"pieces\":92,\"cheese_type\":\"Gruyère\"}'"
  find_place
  need_database
  psql_as pgevents_demo_publisher -qtA -v ON_ERROR_STOP=1 \
    -v channel="$1" -v type="$2" -v data="$3" >/dev/null <<'SQL' ||
SELECT pgevents.publish(:'channel', :'type', :'data');
SQL
    die "Not published: PostgreSQL says why above."
  say "published to $1"
}
