# shellcheck shell=bash
# Messages, long steps with progress, and processes with a pid file. Sourced by ./run, which sets repo and run_dir.

# Not empty after a signal told ./run demo to end.
ended=''

say() { printf '%s\n' "$@"; }

# Like say, but continues if the output is closed (a closed terminal, a pipe without reader).
mention() { (trap '' PIPE && say "$@") 2>/dev/null || true; }

# die WHAT [WHAT TO DO…]: prints each argument on a line and exits with 1.
die() {
  printf '\n' >&2
  printf '%s\n' "$@" >&2
  exit 1
}

# Shows the progress of a long step each second: elapsed seconds and the last line of its log. On a terminal it
# overwrites one line.
tick() {
  local label=$1 log=$2 seconds=0 last
  while sleep 1; do
    seconds=$((seconds + 1))
    last=$(tail -n 1 -- "$log" 2>/dev/null | tr -d '\000-\037' | cut -c 1-70) || true
    if [[ -t 1 ]]; then
      printf '\r\033[K  %s … %s s  %s' "$label" "$seconds" "$last"
    elif ((seconds == 3 || seconds % 15 == 0)); then
      printf '  %s … %s s  %s\n' "$label" "$seconds" "$last"
    fi
  done
}

# step LABEL LOG-NAME COMMAND…: runs a command that may take long. Its output goes to a log, whose end is shown if it
# fails. Closes descriptor 9, the lock of server.sh: a server that inherits it would keep the lock, and the sleep of a
# ticker keep it for a second more.
step() {
  local label=$1 log=$run_dir/log/$2.log ticker status=0 from=$SECONDS
  shift 2
  mkdir -p -- "$run_dir/log"
  : >"$log"
  tick "$label" "$log" 9>&- &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null 9>&- || status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null || true
  [[ ! -t 1 ]] || printf '\r\033[K'
  [[ -z $ended ]] || exit 130
  if ((status != 0)); then
    tail -n 30 -- "$log" >&2
    die "Failed: $label (status $status). The lines above are the end of $log"
  fi
  say "  $label: done in $((SECONDS - from)) s"
}

# as USER COMMAND…: runs the command as USER. Only root can and must change the user (PostgreSQL does not run as root);
# without root everything already runs as that user.
as() {
  local become
  become_words "$1"
  shift
  "${become[@]}" "$@"
}

# Sets `become` to the words that run a command as USER. They exec the command, so that a server in the background has
# the process id that the shell knows ($!).
become_words() {
  become=()
  ((EUID != 0)) || become=(setpriv "--reuid=$1" "--regid=$(id -g "$1")" --init-groups --)
}

# pid_of FILE MARK: prints the process id in a pid file, if the process exists and its command line contains MARK. The
# check is needed because process ids are reused: a stale file may name a foreign process.
pid_of() {
  local pid line
  [[ -r $1 ]] && read -r pid <"$1" && [[ $pid =~ ^[0-9]+$ ]] || return 1
  line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
  [[ $line == *"$2"* ]] || return 1
  printf '%s\n' "$pid"
}

# wait_gone FILE MARK SECONDS: waits until the process of a pid file has ended; fails after SECONDS.
wait_gone() {
  local i
  for ((i = 0; i < $3 * 20; i++)); do
    pid_of "$1" "$2" >/dev/null || return 0
    sleep 0.05
  done
  return 1
}

# stop_process NAME FILE MARK SIGNAL:SECONDS…: sends one signal after the other until the process has ended.
stop_process() {
  local name=$1 file=$2 mark=$3 try pid
  shift 3
  for try in "$@"; do
    pid=$(pid_of "$file" "$mark") || break
    kill -s "${try%:*}" "$pid" ||
      die "Cannot stop $name (process $pid): it belongs to another user." "Stop it as that user."
    wait_gone "$file" "$mark" "${try#*:}" && mention "  $name stopped" && break
    mention "  $name did not stop ${try#*:} s after SIG${try%:*}"
  done
  ! pid_of "$file" "$mark" >/dev/null ||
    die "$name (process $(<"$file")) does not stop." "Stop it by hand: kill -9 $(<"$file")"
  rm -f -- "$file"
}

# wait_until SECONDS COMMAND…: repeats the command until it succeeds; fails after SECONDS.
wait_until() {
  local i tries=$(($1 * 20))
  shift
  for ((i = 0; i < tries; i++)); do
    ! "$@" || return 0
    sleep 0.05
  done
  return 1
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# http_status PATH: prints the status of a GET on the demo's port, nothing without an answer.
http_status() (
  exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
  printf 'GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n' "$1" >&3
  IFS=' ' read -r -t 10 _ status _ <&3 && printf '%s\n' "$status"
) 2>/dev/null
