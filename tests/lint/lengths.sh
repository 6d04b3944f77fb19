#!/usr/bin/env bash
# Source files have at most 400 lines.
# Functions have at most 40: clang-tidy counts them (readability-function-size in .clang-tidy).
set -euo pipefail
status=0
while read -r lines file; do
  [[ $file != total ]] || continue
  ((lines > 400)) || continue
  echo "too long: $file ($lines lines); split it"
  status=1
done < <(git ls-files -- run config config.make '*.cpp' '*.hpp' '*.sh' '*.mjs' '*.js' '*.css' '*.sql' '*.pml' |
  grep -v '\.golden\.' | xargs wc -l)
exit "$status"
