#!/usr/bin/env bash
# The client's types hold, and it stays below 7 KB, minified and gzipped.
set -euo pipefail
node_modules/.bin/tsc -p client
size=$(node_modules/.bin/esbuild client/src/index.js --bundle --minify --format=esm --log-level=warning | gzip -9 | wc -c)
echo "$size bytes"
((size < 7168))
