#!/usr/bin/env bash
# docs/operations.md lists the log lines of module and fallback, all of them and no other.
# The tables are in its section "Log lines"; `node tests/lint/log-lines.mjs --print` prints the lines of the source.
set -euo pipefail
node tests/lint/log-lines.mjs
