# shellcheck shell=bash disable=SC2154 # work, prefix: set by run.sh
# A private PostgreSQL cluster for the SQL tests; sourced by run.sh. PostgreSQL does not run as root: for root it runs
# as user postgres.

pg_bin=${PGEVENTS_PG_BIN:-}
if [[ -z $pg_bin ]]; then
  # The newest installed version.
  pg_bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
fi
[[ -x $pg_bin/initdb ]] || pg_bin=$(dirname -- "$(command -v initdb || echo /usr/bin/initdb)")
export PATH="$pg_bin:$PATH"

as_postgres() {
  if [[ $EUID -eq 0 ]]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups -- env -C "$work" "$@"
  else
    "$@"
  fi
}

start_cluster() {
  if [[ ! -x $pg_bin/initdb ]]; then
    echo "sql: no PostgreSQL server programs found (Debian: apt-get install postgresql)" >&2
    exit 2
  fi
  if [[ $EUID -eq 0 ]]; then chown postgres: "$work"; fi
  as_postgres initdb -D "$work/data" -U postgres -A trust -E UTF8 --locale=C >"$work/initdb.log"
  cat >>"$work/data/postgresql.conf" <<EOF
listen_addresses = ''
unix_socket_directories = '$work'
wal_level = logical
max_prepared_transactions = 5
max_connections = 330
shared_buffers = 64MB
log_lock_waits = on
EOF
  start_server
  export PGHOST=$work PGUSER=postgres PGDATABASE=postgres
}

start_server() {
  as_postgres pg_ctl -D "$work/data" -l "$work/server.log" -t 180 -w -s start || {
    tail -n 5 "$work/server.log" >&2
    exit 2
  }
}

stop_cluster() {
  [[ ! -f $work/data/postmaster.pid ]] || as_postgres pg_ctl -D "$work/data" -m immediate -w -s stop
}

# Splits a connection string into PG* variables, so that the tests can use other database names.
use_server() {
  local host port user
  IFS='|' read -r host port user < <(printf '%s\n' '\echo :HOST|:PORT|:USER' | psql -XAtq -d "$1") || {
    echo "sql: cannot connect to $1" >&2
    exit 2
  }
  export PGHOST=$host PGPORT=$port PGUSER=$user PGDATABASE=postgres
  if [[ $1 =~ ^[a-z]+://[^:/@]+:([^@]+)@ ]]; then export PGPASSWORD=${BASH_REMATCH[1]}; fi
  if [[ $1 =~ password=([^ ]+) ]]; then export PGPASSWORD=${BASH_REMATCH[1]}; fi
}

drop_databases() {
  local name
  psql -XAtq -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
    WHERE database LIKE '$prefix%' AND NOT active" >/dev/null
  for name in $(psql -XAtq -c "SELECT datname FROM pg_database WHERE datname LIKE '$prefix%'"); do
    psql -Xq -c "DROP DATABASE \"$name\" WITH (FORCE)" || true
  done
  for name in $(psql -XAtq -c "SELECT rolname FROM pg_roles WHERE rolname LIKE '$prefix%'"); do
    psql -Xq -c "DROP ROLE \"$name\"" || true
  done
}
