#!/usr/bin/env bash
# The scripts pass shellcheck.
set -euo pipefail
mapfile -t files < <(git ls-files -- run .ci/run '*.sh' | grep -v '^tools/[a-z]*\.sh$')
# The parts of ./run are checked with it, where their variables are known.
shellcheck -a -x "${files[@]}"
