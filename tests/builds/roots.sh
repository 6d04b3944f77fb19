#!/usr/bin/env bash
# Follows the documented commands in bare roots of Debian 12 and 13, and runs the tests on Debian 13, on unstable (sid),
# and on Debian 11 (bullseye): other compilers, other nginx and other PostgreSQL. Called by `./run builds --all`. Needs
# root and debootstrap, and takes about half an hour for each of the last three.
#   tests/builds/roots.sh DIR [SUITE…]
# The roots stay in DIR, and their output in DIR/SUITE-NAME.log. The last line is the sum.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
dir=${1:?usage: tests/builds/roots.sh DIR [SUITE…]}
suites=("${@:2}")
((${#suites[@]})) || suites=(bookworm trixie sid bullseye)
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

# Debian 11 has no nginx-dev, an npm that is older than the tests' Node.js, and not all packages of ./run: so nginx is
# built from its source, and the suites are started by hand. Its PostgreSQL is 13, its gcc 10, its OpenSSL 1.1.1.
run_tests_by_hand() {
  prologue
  sed -n '/^kNodeVersion=/p' tools/packages.sh
  cat <<'SCRIPT'
apt-get install g++ make cmake pkg-config postgresql libpq-dev libpcre2-dev libpcre3-dev zlib1g-dev libfcgi-dev \
  libjose-dev libjansson-dev libssl-dev jose check ca-certificates curl openssl faketime xz-utils nghttp2-client \
  spawn-fcgi procps iproute2 pgbouncer prometheus npm
npm install --global --no-audit --no-fund npm@10 "node-linux-$(node -p process.arch)@$kNodeVersion"
PATH=$(echo /usr/local/lib/node_modules/node-linux-*/bin):$PATH
npm ci --no-audit --no-fund
cmake -S . -B build/release -DPGEVENTS_TESTS=ON
cmake --build build/release -j "$(nproc)"
ngx_module/build.sh build/release --nginx-source "$(bash tests/builds/nginx-source.sh)"
export PGEVENTS_NGINX=$PWD/build/release/nginx
"$PGEVENTS_NGINX" -v
status=0
ctest --test-dir build/release --output-on-failure --no-tests=error || status=1
bash tests/sql/run.sh || status=1
for suite in conformance module; do
  echo "== $suite"
  node --test --test-concurrency=2 --test-reporter=spec "tests/$suite/"*.test.mjs || status=1
done
exit "$status"
SCRIPT
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
  grep -E '^(-- )?[a-z]*: [0-9]+ passed|^ℹ (pass|fail|skipped) [0-9]' "$log" || true
}

for suite in "${suites[@]}"; do
  case $suite in
    bookworm | trixie) try "$suite" by-hand < <(build_by_hand) ;;
  esac
  case $suite in
    bookworm) ;;
    bullseye) try "$suite" tests < <(run_tests_by_hand) ;;
    *) try "$suite" tests < <(run_tests) ;;
  esac
done
echo "$passed passed, $failed failed"
((failed == 0))
