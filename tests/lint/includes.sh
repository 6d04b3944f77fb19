#!/usr/bin/env bash
# Includes in core, postgres, module and fallback form no cycle and point down the layers only.
# The table of layers, and the headers of nginx, libpq and FastCGI that a folder must not include: include-graph.mjs.
set -euo pipefail
node tests/lint/include-graph.mjs
