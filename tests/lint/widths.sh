#!/usr/bin/env bash
# Comments and paragraphs have at most 120 columns.
# Tables, links, code blocks and pages made by the benchmark may be wider; so may lines of code, which the formatters
# check.
set -euo pipefail
node tests/lint/widths.mjs
