#!/bin/sh
# Revokes the tokens of a user on all shards (docs/cluster.md):   SHARDS=/etc/pgevents/shards revoke.sh USER
# SHARDS names a file with one connection string a line, for a role with pgevents_admin. A shard that is away does not
# keep the others from revoking; the status is then 1: repeat the call until it is 0.
set -eu
user=$1
status=0
while read -r shard || [ -n "$shard" ]; do
    [ -n "$shard" ] || continue
    echo "SELECT pgevents.revoke(:'who')" | psql -Xq -v ON_ERROR_STOP=1 -v who="$user" -d "$shard" -o /dev/null || status=1
done <"${SHARDS:-/etc/pgevents/shards}"
exit "$status"
