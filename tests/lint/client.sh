#!/usr/bin/env bash
# The client's types hold, and each import that client/README.md names has at most the size that stands there, minified
# and gzipped: a bundler leaves out what a page does not import.
set -euo pipefail
node_modules/.bin/tsc -p client
status=0
check() {
  local -r name=$1 exports=$2
  local limit size
  limit=$(tr -d '`' < client/README.md | grep -F "| $name | " | grep -oE '[0-9,]+ \|$' | tr -d ', |')
  size=$(echo "export $exports from './client/src/index.js'" |
    node_modules/.bin/esbuild --bundle --minify --format=esm --target=es2022 --log-level=warning | gzip -9 | wc -c)
  echo "$name: $size bytes, at most $limit"
  ((size <= limit)) || status=1
}
check everything '*'
check EventChannel '{ EventChannel }'
check 'BaseChannel and streams' '{ BaseChannel, streams }'
check BaseChannel '{ BaseChannel }'
exit "$status"
