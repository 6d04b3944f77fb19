#!/usr/bin/env bash
# Copies what pgevents has of a realm to another shard (docs/cluster.md):   move-realm.sh FROM TO CHANNELS
# FROM and TO are connection strings for the owner of the schema or a superuser. CHANNELS: a regular expression that
# matches the names of the realm's channels as a whole. Nothing may be published in the realm meanwhile. If it fails,
# no event has been copied, and it can be called again.
set -euo pipefail
from=$1 to=$2 channels=$3
run() { psql -XAtq -v ON_ERROR_STOP=1 -v channels="$channels" "$@"; }
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

# Revocations that TO does not have yet: a token that was revoked on FROM alone stays rejected.
run -d "$from" >"$work/revoke.sql" <<'SQL'
SELECT format('SELECT pgevents.revoke(%1$L, %2$L) WHERE NOT pgevents.token_revoked(%1$L, %3$s);',
              user_id, before, pgevents.revocation_us(before) - 1)
  FROM pgevents.revocations ORDER BY user_id;
SQL
run -1 -o /dev/null -f "$work/revoke.sql" -d "$to"

# The kept events, in their order. TO gives them new ids, and the time of this copy.
run -d "$from" >"$work/events" <<'SQL'
SELECT format($$COPY (SELECT channel_id, data, expires_at FROM pgevents.events WHERE channel_id ~ %L
  AND (expires_at IS NULL OR expires_at > now()) ORDER BY id) TO STDOUT$$, '^(' || :'channels' || ')$') \gexec
SQL
run -1 -d "$to" -c 'COPY pgevents.events (channel_id, data, expires_at) FROM STDIN' <"$work/events"
