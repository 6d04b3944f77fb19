#!/bin/bash
# The entry point of the images of pgevents, with the commands
#   nginx      writes nginx.conf from the template and the environment, and becomes nginx
#   fallback   becomes pgevents-fcgi, which listens on a socket in /run/pgevents-fallback
#   schema     installs or upgrades the schema in the database, and ends
#   health     succeeds if this nginx serves events (pgevents_ready)
# Environment: PGEVENTS_DATABASE, a connection string; PGEVENTS_PASSWORD_FILE, a file with the password for it (a
# secret); the other settings are below. Any other command is executed as it is.
set -euo pipefail
umask 077
place=/run/pgevents

defaults() {
  : "${PGEVENTS_DATABASE:?must be a connection string, as libpq takes it}"
  export PGEVENTS_DATABASE
  : "${PGEVENTS_PORT:=8080}"             # of the clients
  : "${PGEVENTS_ADMIN_PORT:=8081}"       # of /live, /ready and /metrics: not for the public
  : "${PGEVENTS_WORKERS:=2}"             # nginx's `auto` counts the host's processors, whatever the container may use
  : "${PGEVENTS_CONNECTIONS:=10000}"     # of each worker; the container's limit of open files must be above it
  : "${PGEVENTS_RING:=32m}"
  : "${PGEVENTS_BASE:=/rt/}"
  : "${PGEVENTS_SUBSCRIBE:=}"
  : "${PGEVENTS_PUBLISH:=}"
  : "${PGEVENTS_DRAIN:=20s}"             # how long leaving workers may take
  : "${PGEVENTS_LOG_LEVEL:=notice}"
  : "${PGEVENTS_FALLBACK:=unix:/run/pgevents-fallback/fcgi.sock}"
  : "${PGEVENTS_FALLBACK_PROCESSES:=4}"
}

# Files of this container go to /run/pgevents, which may be a volume in memory, or to /tmp if only that can be written:
# an engine may mount a tmpfs that belongs to root.
find_place() {
  [[ -w $place ]] || place=$(mktemp -d)
  export PGEVENTS_PLACE=$place
}

# A password in the connection string could be read in the environment; libpq reads it from a file that only this user
# can read, in its own form: https://www.postgresql.org/docs/current/libpq-pgpass.html
# The environment names the file, because a connection string may be a URI or a list of keywords.
take_password() {
  local password
  [[ -n ${PGEVENTS_PASSWORD_FILE:-} ]] || return 0
  password=$(<"$PGEVENTS_PASSWORD_FILE")
  password=${password//\\/"\\\\"}
  printf '*:*:*:*:%s\n' "${password//:/"\\:"}" >"$place/pgpass"
  export PGPASSFILE=$place/pgpass
}

# Prints the directives `listen` for a port. Where the kernel has IPv6, nginx listens on it, too, because a pod or a
# client may have no IPv4 address. A value with an address (`127.0.0.1:8080`, `[::1]:8080`) is taken as it is.
listen_on() {
  printf 'listen %s;' "$1"
  [[ $1 == *:* || ! -e /proc/net/if_inet6 ]] || printf ' listen [::]:%s;' "$1"
}

# Replaces ${PGEVENTS_…} in the template; in nginx's quotes, a quote and a backslash need a backslash.
write_nginx_conf() {
  local text name value
  text=$(<"${PGEVENTS_TEMPLATE:-/etc/pgevents/nginx.conf.template}")
  for name in "${!PGEVENTS_@}"; do
    value=${!name//\\/"\\\\"}
    text=${text//"\${$name}"/"${value//\"/"\\\""}"}
  done
  if [[ $text =~ \$\{(PGEVENTS_[A-Z_]*)\} ]]; then
    echo "pgevents-container: the template uses ${BASH_REMATCH[1]}, which is not set" >&2
    exit 1
  fi
  printf '%s\n' "$text" >"$place/nginx.conf"
}

health() {
  local status
  exec 3<>"/dev/tcp/127.0.0.1/${PGEVENTS_ADMIN_PORT:-8081}"
  printf 'GET /ready HTTP/1.0\r\n\r\n' >&3
  IFS=' ' read -r -t 2 _ status _ <&3
  [[ $status == 200 ]]
}

case ${1:-nginx} in
  nginx)
    defaults
    find_place
    take_password
    PGEVENTS_LISTEN=$(listen_on "$PGEVENTS_PORT")
    PGEVENTS_ADMIN_LISTEN=$(listen_on "$PGEVENTS_ADMIN_PORT")
    export PGEVENTS_LISTEN PGEVENTS_ADMIN_LISTEN
    write_nginx_conf
    # nginx removes from its workers' environment what no `env` names. Here it holds for any template.
    exec nginx -e stderr -g 'env PGPASSFILE;' -c "$place/nginx.conf"
    ;;
  fallback)
    defaults
    find_place
    take_password
    # The fallback warns of variables that it does not know.
    export -n PGEVENTS_{PASSWORD_FILE,PORT,ADMIN_PORT,WORKERS,CONNECTIONS,RING,DRAIN,LOG_LEVEL,PLACE,TEMPLATE}
    export -n PGEVENTS_FALLBACK{,_PROCESSES}
    exec pgevents-fcgi --listen "$PGEVENTS_FALLBACK" --processes "$PGEVENTS_FALLBACK_PROCESSES"
    ;;
  schema)
    : "${PGEVENTS_DATABASE:?must be a connection string, as libpq takes it}"
    find_place
    take_password
    exec psql -X -v ON_ERROR_STOP=1 -d "$PGEVENTS_DATABASE" -f /usr/share/pgevents/sql/install.sql
    ;;
  health) health ;;
  *) exec "$@" ;;
esac
