# shellcheck shell=bash
# Prints the commands of a page of docs/: the indented lines of one of its sections. Sourced by roots.sh; by itself:
#   bash tests/builds/documented.sh docs/fallback.md '## Building it'
documented() {
  awk -v heading="$2" '
    /^#/ { inside = $0 == heading }
    inside && /^    / { print substr($0, 5); found = 1 }
    END { exit !found }' "$1"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || documented "$@"
