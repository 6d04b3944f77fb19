#!/bin/sh
# Ends the servers that a test process left behind, however that process ended. scratch.mjs starts one watchdog per
# process and writes the temporary directories to its input, one a line; the input ends with the process. A server's pid
# file is in its directory. A directory of network.mjs has a file with the names of its network namespaces.
trap '' INT TERM HUP

# owned PID DIR: succeeds if that process is (still) the server of this directory.
owned() { tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF "$2"; }

# On TERM PostgreSQL would wait for its clients; the others end at once.
stop() {
  case $3 in
    */postgres.pid) kill -QUIT "$1" ;;
    *) kill -TERM "$1" ;;
  esac
  tries=100
  while owned "$1" "$2" && [ "$tries" -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
  done
  ! owned "$1" "$2" || kill -KILL "$1" "-$1"
}

# Kills what runs in a namespace, and removes the namespace.
remove_namespace() {
  for pid in $(ip netns pids "$1"); do kill -KILL "$pid"; done
  ip netns delete "$1"
}

dirs=
while read -r dir; do dirs="$dirs $dir"; done
for dir in $dirs; do
  [ -d "$dir" ] || continue
  for file in "$dir"/*.pid; do
    [ -f "$file" ] && read -r pid <"$file" && owned "$pid" "$dir" && stop "$pid" "$dir" "$file"
  done
  ! [ -f "$dir/namespaces" ] || while read -r name; do remove_namespace "$name"; done <"$dir/namespaces"
  rm -rf -- "$dir"
done 2>/dev/null
