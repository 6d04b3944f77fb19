# shellcheck shell=bash
# The commands of a page of docs/: what is indented by four spaces in one of its sections. Sourced by roots.sh; by itself,
#   bash tests/builds/documented.sh docs/fallback.md '## Building it'
# prints them.
documented() {
  awk -v heading="$2" '
    /^#/ { inside = $0 == heading }
    inside && /^    / { print substr($0, 5); found = 1 }
    END { exit !found }' "$1"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || documented "$@"
