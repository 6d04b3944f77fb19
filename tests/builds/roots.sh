#!/usr/bin/env bash
# Follows the documented commands in bare roots of Debian 12 and 13, and runs the tests on Debian 13, which has another
# compiler, another nginx and another PostgreSQL. Called by `./run builds --all`. Needs root and debootstrap,
# and takes up to an hour.
#   tests/builds/roots.sh DIR
# The roots stay in DIR, and their output in DIR/SUITE.log. The last line is the sum.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
dir=${1:?usage: tests/builds/roots.sh DIR}
# shellcheck source=tests/builds/documented.sh
. tests/builds/documented.sh
mkdir -p -- "$dir"
passed=0
failed=0

# The beginning of every script: apt does not ask, and installs only the named packages and their dependencies.
prologue() {
  cat <<'SCRIPT'
printf '%s\n' 'APT::Get::Assume-Yes "true";' 'APT::Install-Recommends "false";' 'Dpkg::Use-Pty "false";' >/etc/apt/apt.conf.d/90script
apt-get update -q
echo "Debian $(cat /etc/debian_version)"
SCRIPT
}

# The documented commands unchanged, and a check that the results start.
build_by_hand() {
  prologue
  echo set -x
  documented docs/fallback.md '## Building it'
  echo 'pgevents-fcgi --version'
  echo 'mkdir -p /usr/lib/nginx/modules' # nginx is not there yet, where it is built for
  documented docs/building.md '## For the nginx of Debian' | grep -v ^load_module
  cat <<'SCRIPT'
apt-get install nginx
echo 'load_module modules/ngx_http_pgevents_module.so; events {} http { pgevents_database main "dbname=app"; }' >/tmp/nginx.conf
nginx -t -c /tmp/nginx.conf
SCRIPT
}

run_tests() {
  prologue
  echo ./run test unit sql conformance module
}

# try SUITE NAME: runs the script on standard input in a fresh root.
try() {
  local suite=$1 name=$2 log=$dir/$1-$2.log script=$dir/$1-$2.script from=$SECONDS
  cat >"$script"
  if bash tests/builds/root.sh "$dir" "$suite" "$script" >"$log" 2>&1; then
    passed=$((passed + 1))
    echo "ok: $suite, $name ($((SECONDS - from)) s)"
  else
    failed=$((failed + 1))
    tail -n 40 -- "$log"
    echo "FAILED: $suite, $name; all of it: $log"
  fi
  grep -E '^(-- )?[a-z]*: [0-9]+ passed' "$log" || true
}

for suite in bookworm trixie; do try "$suite" by-hand < <(build_by_hand); done
try trixie tests < <(run_tests)
echo "$passed passed, $failed failed"
((failed == 0))
