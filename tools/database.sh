# shellcheck shell=bash
# The demo's database: a private PostgreSQL cluster on a Unix socket, or the one that PGEVENTS_DATABASE names.
# Sourced by ./run. `place` is the directory of the servers' files; see server.sh.

# Prints the directory of the newest PostgreSQL on this machine.
pg_bin() {
  local bin
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  [[ -x $bin ]] || die "The PostgreSQL server is not installed." "Install it: apt-get install postgresql"
  printf '%s\n' "${bin%/*}"
}

# conninfo [ROLE [DATABASE]]: prints libpq's connection string. In the private cluster each part has a role of its own:
# pgevents_owner owns the schema and the chat, pgevents_demo is for the servers, pgevents_demo_publisher publishes, and
# postgres creates these roles. The port is part of the socket's name; it is set here because users, and Debian's psql,
# may set PGPORT.
conninfo() {
  case $database in
    '') printf "host='%s' port=5432 dbname=%s user=%s" "$place/pg" "${2:-pgevents}" "${1:-pgevents_owner}" ;;
    *=* | *://*) printf '%s' "$database" ;;
    *) printf "dbname='%s'" "$database" ;;
  esac
}

# psql_as ROLE ARGUMENT…: runs psql on the demo's database as a role of the private cluster, without the user's own
# settings.
psql_as() { PGCLIENTENCODING=UTF8 psql -X -d "$(conninfo "$1")" "${@:2}"; }
run_psql() { psql_as pgevents_owner "$@"; }

# PostgreSQL identifies users of its socket by their system user (peer). The user of nginx and the fallback may only be
# the role of the servers, unless it runs PostgreSQL as well.
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
  as "$db_user" "$(pg_bin)/initdb" -D "$new" -U postgres --auth=peer -E UTF8 --locale=C.UTF-8 --no-instructions ||
    return
  cat >>"$new/postgresql.conf" <<EOF

# The demo of pgevents
listen_addresses = ''
unix_socket_directories = '$place/pg'
EOF
  mv -- "$new" "$place/pg/data"
}

# PostgreSQL removes stale lock files itself, unless their process id now belongs to another process of the same user
# (or to a zombie).
drop_foreign_lock_files() {
  local file pid
  for file in "$place/pg/data/postmaster.pid" "$place/pg/.s.PGSQL.5432.lock"; do
    if [[ -e $file ]] && read -r pid <"$file" && [[ -e /proc/$pid ]]; then rm -f -- "$file"; fi
  done
}

run_cluster() {
  as "$db_user" "$(pg_bin)/pg_ctl" start -w -t 60 -s -D "$place/pg/data" -l "$place/pg/server.log" -o '-p 5432' &&
    return
  tail -n 20 "$place/pg/server.log"
  return 1
}

cluster_pid() { pid_of "$place/pg/data/postmaster.pid" "$place/pg/data"; }

start_cluster() {
  [[ -z $database ]] || return 0
  if cluster_pid >/dev/null; then return; fi
  if [[ -e $place/pg/data/PG_VERSION && ! -x /usr/lib/postgresql/$(<"$place/pg/data/PG_VERSION")/bin/postgres ]]; then
    die "The demo's cluster was made by PostgreSQL $(<"$place/pg/data/PG_VERSION"), which is no longer installed." \
      "If its events are not needed, remove it: ./run down; rm -r $place/pg/data"
  fi
  [[ -e $place/pg/data/PG_VERSION ]] || step "private PostgreSQL cluster in $place/pg/data" initdb make_cluster
  write_access_rules "$place/pg/data"
  drop_foreign_lock_files
  step "PostgreSQL" postgresql run_cluster
}

stop_cluster() { stop_process PostgreSQL "$place/pg/data/postmaster.pid" "$place/pg/data" INT:20 QUIT:5; }

# Creates the roles and the database. Only this uses the superuser.
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

# In a cluster of an earlier release the superuser owns everything.
check_owner() {
  local owner
  owner=$(run_psql -qtAc "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'pgevents'") || return 0
  [[ $owner == pgevents_owner ]] ||
    die "The demo's cluster was made by an earlier release: its database belongs to $owner." \
      "If its events are not needed, remove it: ./run down; rm -r $place/pg/data"
}

# Installs or upgrades the schema; changes nothing if it has this version.
install_schema() { run_psql -q -v ON_ERROR_STOP=1 -f "$repo/sql/install.sql"; }

need_database() {
  local words
  words=$(run_psql -qtAc 'SELECT 1' 2>&1 >/dev/null) && return
  printf '%s\n' "$words" >&2
  [[ -z $database ]] || die "Cannot connect to the database of PGEVENTS_DATABASE (the reason is above): $database"
  die "Cannot connect to the demo's database (the reason is above)." "Start the demo: ./run up"
}

# Prints the address of the database for an application of one's own, as a role that may publish. The characters that a
# directory may have, see suits(), are written so that all libraries read them alike.
cmd_url() {
  local host
  find_place
  case $database in
    '')
      host=${place//%/%25}/pg
      host=${host//+/%2B} host=${host//@/%40} host=${host//:/%3A} host=${host//=/%3D}
      say "postgresql://pgevents_demo_publisher@/pgevents?host=$host&port=5432"
      ;;
    *) say "$(conninfo)" ;;
  esac
}

cmd_psql() {
  find_place
  run_psql "$@"
}

cmd_publish() {
  (($# == 3)) || die "Usage: ./run publish CHANNEL TYPE JSON" \
    "Example: ./run publish cheese cheese_created '{\"pieces\":92,\"cheese_type\":\"Gruyère\"}'"
  find_place
  need_database
  psql_as pgevents_demo_publisher -qtA -v ON_ERROR_STOP=1 \
    -v channel="$1" -v type="$2" -v data="$3" >/dev/null <<'SQL' ||
SELECT pgevents.publish(:'channel', :'type', :'data');
SQL
    die "The event was not published: PostgreSQL reports the reason above."
  say "Published to $1"
}

# ./run cheese: delivers any cheese, as the page does.
cmd_cheese() {
  local cheeses=(Gruyère Emmentaler Appenzeller 'Tête de Moine' Sbrinz Vacherin Raclette Etivaz)
  local cheese=${cheeses[RANDOM % ${#cheeses[@]}]} pieces=$((5 + RANDOM % 115))
  cmd_publish cheese cheese_created "{\"pieces\":$pieces,\"cheese_type\":\"$cheese\"}"
  say "$pieces pieces of $cheese"
}
