#!/bin/sh
# The nginx that ./run asan builds, as the tests start it. `nginx -t` frees its configuration only by ending, which is
# not a leak; a server must free all that a reload replaces.
for argument; do
  [ "$argument" != -t ] || export ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
done
exec "$(dirname "$0")/../build/asan/nginx" "$@"
