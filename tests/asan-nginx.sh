#!/bin/sh
# The nginx that ./run asan builds, as the tests start it. `nginx -t` leaves its configuration to the end of the process, which
# is no leak; a server has to free all that a reload replaces.
for argument; do
  [ "$argument" != -t ] || export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
done
exec "$(dirname "$0")/../build/asan/nginx" "$@"
