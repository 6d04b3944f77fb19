#!/usr/bin/env bash
# docs/operations.md has the metrics of core/metrics/metric.hpp: all of them, and no other.
set -euo pipefail
node tests/lint/metrics-table.mjs
