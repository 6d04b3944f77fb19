#!/usr/bin/env bash
# SQL tests. tests/sql/run.sh [DATABASE_URL|-] [PATTERN]
# Without a URL (or with -) it makes a private cluster, on a Unix socket only, and removes it afterwards. With a URL it
# makes and drops databases of its own there (it needs a superuser's rights; the roles pgevents_* stay).
# PATTERN: run only the tests whose name matches it (extended regular expression).
# PGEVENTS_PG_BIN: the directory of PostgreSQL's programs.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
repo=$(cd -- "$here/../.." && pwd -P)
url=${1:--}
pattern=${2:-.}
passed=0
failed=0
counter=0
work=$(mktemp -d /tmp/pgevents-sql.XXXXXX)
chmod 755 "$work"
prefix=pgevents_test_$$

# shellcheck source=tests/sql/cluster.sh
. "$here/cluster.sh"
# shellcheck source=tests/sql/lib.sh
. "$here/lib.sh"

# No test waits that long for a lock, unless the lock is never released. (statement_timeout does not count during
# COMMIT.)
export PGOPTIONS="-c lock_timeout=60s"

finish() {
  trap '' INT TERM # a second one must not leave the cluster running
  close_sessions
  if [[ $url == - ]]; then stop_cluster; else drop_databases; fi
  rm -rf -- "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

if [[ $url == - ]]; then start_cluster; else use_server "$url"; fi

# Installing comes first: some of its tests need a cluster without the roles.
# shellcheck source=tests/sql/cases/install.sh
. "$here/cases/install.sh"
make_template
for file in "$here"/cases/*.sql; do run_sql_file "$file"; done
for file in "$here"/cases/*.sh; do
  # shellcheck source=/dev/null
  [[ $file == */install.sh || $file == */crash.sh ]] || . "$file"
done
# shellcheck source=tests/sql/cases/crash.sh
. "$here/cases/crash.sh"

echo "sql: $passed passed, $failed failed"
((failed == 0 && passed > 0))
