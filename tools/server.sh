# shellcheck shell=bash
# The demo's servers: the directory of their files, the fallback, nginx, the module's switch, and the commands for them.
# Sourced by ./run.

# Under root, PostgreSQL runs as Debian's user for it, and nginx and the fallback as www-data; otherwise all run as the
# caller.
if ((EUID == 0)); then
  db_user=postgres
  web_user='www-data'
else
  db_user=$(id -un)
  web_user=$db_user
fi

# Sets `place`, the directory of the servers' data, sockets and logs: the run directory, unless it is unsuitable; see
# suits().
find_place() {
  place=$run_dir
  if [[ -r $run_dir/place ]]; then
    place=$(<"$run_dir/place")
    [[ -d $place && -O $place ]] || place=$run_dir
  fi
}

# suits DIRECTORY: a Unix socket's path has at most 107 bytes, configuration files need plain characters, and the
# servers' users must be able to enter the directory.
suits() {
  local user
  [[ $1/pg/.s.PGSQL.5432 =~ ^[[:alnum:]/_.@+~:=-]{1,107}$ ]] || return 1
  for user in "$db_user" "$web_user"; do
    as "$user" test -x "$1" || return 1
  done
}

make_place() {
  mkdir -p -- "$run_dir/log" || die "Cannot write to $run_dir." \
    "Choose another directory: PGEVENTS_RUN_DIR=/var/tmp/mine ./run up"
  find_place
  if ! suits "$place"; then
    place=$(mktemp -d /var/tmp/pgevents.XXXXXX)
    printf '%s\n' "$place" >"$run_dir/place"
    say "The servers cannot use $run_dir:" \
      "its path is too long or has special characters, or user $db_user cannot enter it." \
      "Instead their files are in $place"
  fi
  ((EUID != 0)) || chmod 755 "$place"
  own_dir "$db_user" "$place/pg"
  own_dir "$web_user" "$place/web" "$place/switch"
}

# own_dir USER DIRECTORY…: creates directories that belong to USER.
own_dir() {
  local user=$1 dir
  shift
  for dir in "$@"; do
    if ((EUID == 0)); then install -d -m 755 -o "$user" "$dir"; else install -d -m 700 "$dir"; fi
  done
}

# usable_by_web DIRECTORY COPY FILE…: prints the directory if nginx and the fallback can read it; otherwise copies these
# files of it to COPY and prints that.
usable_by_web() {
  local from=$1 copy=$2
  shift 2
  if as "$web_user" test -r "$from/$1"; then
    printf '%s\n' "$from"
  else
    mkdir -p -- "$copy"
    (cd -- "$from" && cp -rp -- "$@" "$copy")
    chmod -R a+rX "$copy"
    printf '%s\n' "$copy"
  fi
}

# Lets only one ./run at a time start or stop servers in a run directory. The file names its process and command.
lock() {
  mkdir -p -- "$run_dir/log"
  exec 9>>"$run_dir/lock"
  flock -n 9 || wait_for_lock
  printf '%s %s\n' "$$" "$command" >"$run_dir/lock"
}

# Prints PROCESS COMMAND of the ./run that has the lock; fails if that process has ended.
lock_owner() {
  local pid what
  read -r pid what <"$run_dir/lock" && [[ $(readlink "/proc/$pid/fd/9") == "$run_dir/lock" ]] || return 1
  printf '%s %s\n' "$pid" "$what"
}

wait_for_lock() {
  local pid='' what='' who='another ./run' hint=''
  read -r pid what < <(lock_owner) || true
  [[ -z $pid ]] || who="./run $what (process $pid)"
  [[ $what != demo ]] || hint=" To end it: ./run down"
  if [[ $what == demo && $command == down ]]; then
    say "Ending $who."
    kill -s TERM "$pid" || die "Process $pid belongs to another user." "End it as that user: kill $pid"
  else
    say "Waiting for $who, which is using $run_dir.$hint"
  fi
  flock -w 300 9 || die "$who is still using $run_dir.$hint"
}

# Prints demo/nginx.conf.in with this run's values.
nginx_conf() {
  local text www client database_line user_line=''
  www=$(usable_by_web "$repo/demo" "$place/www" \
    index.html style.css cheese.css cheese.js clock.js transports.js cheese.svg chat.html chat.css chat)
  client=$(usable_by_web "$repo/client/src" "$place/client" .)
  database_line=$(conninfo pgevents_demo)
  database_line=${database_line//\\/\\\\}
  ((EUID != 0)) || user_line="user $web_user;"
  text=$(<demo/nginx.conf.in)
  text=${text//@conninfo@/"${database_line//\"/\\\"}"}
  text=${text//@user_line@/"$user_line"}
  text=${text//@module@/"$build_dir/ngx_http_pgevents_module.so"}
  text=${text//@www@/"$www"}
  text=${text//@client@/"$client"}
  text=${text//@port@/"$port"}
  printf '%s\n' "${text//@place@/"$place"}"
}

fallback_pid() { pid_of "$place/fcgi.pid" "$place/web/fcgi.sock"; }
nginx_pid() { pid_of "$place/nginx.pid" "$place/nginx.conf"; }
stop_fallback() { stop_process fallback "$place/fcgi.pid" "$place/web/fcgi.sock" TERM:5 KILL:5; }
stop_nginx() {
  stop_process nginx "$place/nginx.pid" "$place/nginx.conf" QUIT:5 TERM:5
  stop_orphans
}

# Stops workers whose master was killed: they continue and keep the port. Only their log identifies them.
stop_orphans() {
  local process name
  for process in /proc/[0-9]*; do
    read -r name 2>/dev/null <"$process/comm" || continue
    [[ $name == nginx && $(readlink "$process/fd/2") == "$place/nginx.log" ]] || continue
    kill -s KILL "${process#/proc/}" && mention "  a worker without an nginx master stopped"
    wait_until 5 no_link "$process/fd/2" || true
  done
}

# The kernel closes the files of a killed process with a short delay.
no_link() { ! readlink "$1" >/dev/null 2>&1; }

# Prints the fallback's environment: the same access rules as nginx.conf.in has for the module.
fallback_settings() {
  printf '%s\n' "PGEVENTS_DATABASE=$(conninfo pgevents_demo)" "PGEVENTS_JWT_KEY=$place/jwt.key alg=HS256" \
    'PGEVENTS_JWT_COOKIE=pgevents_token' 'PGEVENTS_ANONYMOUS=cheese demo.*' 'PGEVENTS_PUBLISH=cheese'
}

fallback_has() { tr '\0' '\n' <"/proc/$(fallback_pid)/environ" | grep -Fqx -- "$1"; }

fallback_is_current() {
  local setting
  [[ ! $program -nt $place/fcgi.pid && ! $place/jwt.key -nt $place/fcgi.pid ]] || return 1
  for setting in "${settings[@]}"; do fallback_has "$setting" || return 1; done
}

# Restarts a running server only if its program or its settings have changed.
start_fallback() {
  local program become settings
  program=$(usable_by_web "$build_dir" "$place/bin" pgevents-fcgi)/pgevents-fcgi
  mapfile -t settings < <(fallback_settings)
  if fallback_pid >/dev/null; then
    ! fallback_is_current || return 0
    say "Restarting the fallback: its program, key or database has changed."
    stop_fallback
  fi
  rm -f -- "$place/web/fcgi.sock"
  become_words "$web_user"
  # Not `env`: other users can read the arguments of a process, and the settings may contain the database's password.
  (unset PGEVENTS_PORT PGEVENTS_RUN_DIR && export "${settings[@]}" &&
    exec "${become[@]}" setsid "$program" --listen "unix:$place/web/fcgi.sock" --processes 2) \
    </dev/null >>"$place/fallback.log" 2>&1 9>&- &
  printf '%s\n' "$!" >"$place/fcgi.pid"
  wait_until 10 test -S "$place/web/fcgi.sock" || {
    tail -n 10 -- "$place/fallback.log" >&2
    die "The fallback did not start. The lines above are the end of $place/fallback.log"
  }
}

start_nginx() {
  local conf
  conf=$(nginx_conf)
  if nginx_pid >/dev/null; then
    [[ $conf != "$(<"$place/nginx.conf")" || $build_dir/ngx_http_pgevents_module.so -nt $place/nginx.pid ||
      $place/jwt.key -nt $place/nginx.pid ]] || return 0
    say "Restarting nginx: the module, its key or the configuration has changed."
    stop_nginx
  fi
  claim_port
  (umask 077 && printf '%s\n' "$conf" >"$place/nginx.conf")
  step nginx nginx nginx -e "$place/nginx.log" -c "$place/nginx.conf"
}

claim_port() {
  stop_orphans
  ! port_open "$port" || port_taken
}

port_taken() {
  local who=''
  who=$(ss -Hltnp "sport = :$port" 2>/dev/null | grep -o 'users:.*' | head -n 1) || true
  die "Port $port is already in use${who:+ by $who}." "Choose another port: PGEVENTS_PORT=$((port + 1)) ./run $command"
}

# Checks that the page, the module and the fallback answer.
check_servers() {
  local path
  for path in / '/rt/events/cheese?flavor=poll' '/fallback/events/cheese?flavor=poll'; do
    wait_until 10 answers "$path" && continue
    tail -n 5 -- "$place"/*.log >&2
    die "GET http://127.0.0.1:$port$path answers '$(http_status "$path")' instead of 200." \
      "Look for the reason in the logs above."
  done
}

answers() { [[ $(http_status "$1") == 200 ]]; }

start_all() {
  make_place
  nginx_pid >/dev/null || claim_port
  place_key
  start_cluster
  [[ -n $database ]] || step "database" database make_database
  need_database
  [[ -n $database ]] || check_owner
  step "schema" schema install_schema
  step "people and rooms of the chat" chat run_psql -q -v ON_ERROR_STOP=1 -f "$repo/demo/chat.sql"
  write_people
  start_fallback
  start_nginx
  start_signer
  check_servers
}

stop_all() {
  stop_signer
  stop_nginx
  stop_fallback
  [[ -n $database ]] || stop_cluster
}

cmd_up() {
  need_packages demo
  build_demo
  lock
  start_all
  say "pgevents is running: http://127.0.0.1:$port/   (stop it with ./run down)"
}

cmd_down() {
  find_place
  lock
  stop_all
}

# Prints commands for another terminal, with the run directory if it is not the default.
say_hints() {
  local run=./run
  [[ $run_dir == "$repo/.run" ]] || run="PGEVENTS_RUN_DIR=$(printf %q "$run_dir") ./run"
  local bearer="\"Authorization: Bearer \$($run token --user 10)\""
  say "In another terminal:   $run publish cheese cheese_created '{\"pieces\":92,\"cheese_type\":\"Gruyère\"}'"
  say "Connect as a program:  psql \"\$($run url)\"      (may publish)"
  say "Switch the module:     $run module off      (and on)"
  say "Read a user's stream:  curl -N -H 'Accept: text/event-stream' -H $bearer http://127.0.0.1:$port/rt/events/user:10"
  say "and publish to it:     $run publish user:10 hello '{}'"
  say "Ctrl-C stops everything."
}

# Runs the demo in the foreground; when it ends, in whatever way, stops the servers that it started.
cmd_demo() {
  need_packages demo
  find_place
  ! nginx_pid >/dev/null || die "The demo is already running in $run_dir (./run status)." "Stop it: ./run down"
  build_demo
  lock
  # The trap only sets a variable: bash 5.2 may run a trap while it parses a substitution; after an exit there it could
  # not parse the EXIT trap.
  trap 'ended=yes' INT TERM HUP PIPE
  # The terminal may be closed: failing output must not prevent the servers from being stopped.
  trap 'trap "" INT TERM HUP PIPE; { printf "\n"; } 2>/dev/null || exec >/dev/null 2>&1; stop_all' EXIT
  start_all
  say '' "The demo is running:   http://127.0.0.1:$port/" ''
  say_hints
  while [[ -z $ended ]] && nginx_pid >/dev/null && fallback_pid >/dev/null; do sleep 1 || true; done
  [[ -z $ended ]] || exit 130
  die "A server has ended unexpectedly." "See $place/nginx.log and $place/fallback.log"
}

# Prints the file that nginx checks; the page and ./run module both create and remove it.
module_flag() { printf '%s\n' "$place/switch/module-off"; }

module_state() {
  if [[ -e $(module_flag) ]]; then say "off: the fallback answers"; else say on; fi
}

cmd_module() {
  find_place
  [[ -d $place/switch ]] || die "No demo has been started in $run_dir." "Start it: ./run up"
  case ${1:-} in
    off) : >"$(module_flag)" ;;
    on) rm -f -- "$(module_flag)" ;;
    '') ;;
    *) die "Usage: ./run module on|off" ;;
  esac
  say "module $(module_state)"
}

cmd_status() {
  local pid
  find_place
  if pid=$(nginx_pid); then
    say "nginx       process $pid, $(sed -n 's/^ *listen \([0-9.:]*\);$/http:\/\/\1\//p' "$place/nginx.conf")"
    say "module      $(module_state)"
  else
    say "nginx       not running"
  fi
  if pid=$(fallback_pid); then say "fallback    process $pid"; else say "fallback    not running"; fi
  if pid=$(signer_pid); then say "tokens      renewed by process $pid"; else say "tokens      not renewed"; fi
  if [[ -n $database ]]; then
    say "PostgreSQL  $database"
  elif pid=$(cluster_pid); then
    say "PostgreSQL  process $pid, socket in $place/pg"
  else
    say "PostgreSQL  not running"
  fi
  say "files       $place"
  run_psql -qtAc "SELECT 'events      ' || pgevents.status()::text" 2>/dev/null ||
    say "events      cannot connect to the database"
  nginx_pid >/dev/null
}
