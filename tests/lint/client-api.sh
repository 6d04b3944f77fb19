#!/usr/bin/env bash
# client/api.md is current.
# Otherwise: node tools/client-api.mjs --write
set -euo pipefail
node tools/client-api.mjs | diff -u client/api.md -
