#!/usr/bin/env bash
# eslint finds nothing in tests, client and demo.
set -euo pipefail
node_modules/.bin/eslint --no-error-on-unmatched-pattern --max-warnings 0 .
