#!/usr/bin/env bash
# docs/directives.md describes the variables of the module and the reasons why streams end, all of them and no other.
# The tables in the code (kVariables, kEndingWords) are what nginx shows.
# shellcheck disable=SC2016
set -euo pipefail
compare() {
  [[ -n $2 && -n $3 ]] || { echo "No $1 found: this check needs repair."; exit 1; }
  diff <(echo "$2") <(echo "$3") || { echo "$1: < only in the code, > only in docs/directives.md"; exit 1; }
}
code=$(grep -oE '\{"pgevents_[a-z_]+",' ngx_module/variables.cpp | grep -oE 'pgevents_[a-z_]+' | sort)
page=$(grep -oE '^- `\$pgevents_[a-z_]+`: ' docs/directives.md | grep -oE 'pgevents_[a-z_]+' | sort)
compare variables "$code" "$page"
words=$(sed -n '/kEndingWords\[\]/,/};/p' core/metrics/reasons.hpp | grep -oE '"[a-z_]+"' | tr -d '"')
words=$(printf '%s\nreleased\n' "$words" | sort)
rows=$(sed -n '/^- `\$pgevents_end_reason`: /,/^## /p' docs/directives.md | sed -nE 's/^\| `([a-z_]+)` \|.*/\1/p' | sort)
compare reasons "$words" "$rows"
