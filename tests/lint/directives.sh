#!/usr/bin/env bash
# docs/directives.md describes the directives of the module, all of them and no other.
# The table in the code (ngx_command_t) is what nginx accepts; the page gives each a heading `## name`.
set -euo pipefail
in_code=$(git ls-files -- 'ngx_module/*.cpp' | xargs grep -hoE 'ngx_string\("pgevents[a-z_]*"\), *$|\{ *ngx_string\("pgevents[a-z_]*"\)' |
  grep -oE 'pgevents[a-z_]*' | sort -u)
in_docs=$(grep -E '^##+ ' docs/directives.md | grep -owE 'pgevents(_[a-z]+)*' | sort -u)
[[ -n $in_code ]] || { echo "No directive found in ngx_module: this check needs repair."; exit 1; }
if ! difference=$(diff <(echo "$in_code") <(echo "$in_docs")); then
  echo "< only in the code, > only in docs/directives.md"
  echo "$difference"
  exit 1
fi
