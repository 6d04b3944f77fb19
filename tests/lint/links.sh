#!/usr/bin/env bash
# Links between documents lead to files.
set -euo pipefail
status=0
while IFS=: read -r file link; do
  target=${link#](}
  target=${target%)}
  target=${target%%#*}
  [[ -z $target || $target == *://* || -e $(dirname -- "$file")/$target ]] && continue
  echo "$file: no $target"
  status=1
done < <(git ls-files -- '*.md' | xargs grep -oE '\]\([^) ]+\)' /dev/null)
exit "$status"
