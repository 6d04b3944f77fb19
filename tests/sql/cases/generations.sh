# shellcheck shell=bash disable=SC2154 # work, prefix and others: set by run.sh
# Branches: several databases continue the same log behind the same event, each with a generation of its own. A client
# of one must get a reset at every other one, whichever has come further.

# Each line: how a branch comes about | the function that makes it from $origin: FUNCTION VARIABLE
branches="
a crash | branch_crash
another crash | branch_crash
a copy of the files | branch_files
a restored dump | branch_dump
a promoted copy | branch_copy
"

branch_files() { empty_database "$1" "TEMPLATE $origin"; }
branch_crash() {
  branch_files "$1"
  q "${!1}" "UPDATE pgevents.generations SET place = pgevents.generation_place(); TRUNCATE pgevents.crash_mark"
}
branch_dump() {
  empty_database "$1" "TEMPLATE template0"
  pg_dump -d "$origin" | psql -Xq -v ON_ERROR_STOP=1 -d "${!1}" >/dev/null
}
branch_copy() {
  copy_of "$origin" "$1"
  has_all "$origin" "${!1}"
  q "${!1}" "SELECT pgevents.promote_copy()" >/dev/null
}

# publish_some DATABASE COUNT
publish_some() { q "$1" "SELECT count(pgevents.publish('c', 't', to_json(n))) FROM generate_series(1, $2) n" >/dev/null; }

# lost_cursors DATABASE FORK: the cursors of clients that have got events of this branch
lost_cursors() { q "$1" "SELECT string_agg(l.id::text, ',') FROM pgevents.log l WHERE l.id > $2"; }

# all_reset DATABASE FORK CURSORS: each of these clients gets a reset, and then every event behind the fork
all_reset() {
  is "$(q "$1" "SELECT string_agg(cursor::text, ' ') FROM unnest(ARRAY[$3]) cursor
    WHERE (SELECT array_agg(CASE type WHEN 'pgevents.reset' THEN data::json ->> 'reason' ELSE id::text END)
             FILTER (WHERE id > $2 OR type = 'pgevents.reset') FROM pgevents.fetch('{c}', cursor, NULL, 999, 99999)
            WHERE channel_id IS NOT NULL)
       <> ARRAY['ahead'] || (SELECT array_agg(l.id::text ORDER BY l.id) FROM pgevents.log l
                              WHERE l.id > $2 AND l.channel_id = 'c')")" "" "clients without a reset, or an event"
}

# check_all FORK: the clients of each of the branches $made get a reset at all others
check_all() {
  local here there cursors=() others
  for here in "${made[@]}"; do cursors+=("$(lost_cursors "$here" "$1")"); done
  for here in "${!made[@]}"; do
    others=
    for there in "${!made[@]}"; do
      if ((here != there)); then others+=${others:+,}${cursors[there]}; fi
    done
    all_reset "${made[here]}" "$1" "$others"
  done
}

# in_every_order FORK: while the branches are equally long, when some have come further than the others, and when each
# has begun another generation.
in_every_order() {
  local branch
  check_all "$1"
  for branch in "${made[@]:2}"; do publish_some "$branch" 40; done
  check_all "$1"
  for branch in "${made[@]}"; do
    q "$branch" "TRUNCATE pgevents.crash_mark"
    publish_some "$branch" 50
  done
  check_all "$1"
}

branched() {
  local origin fork name make branch made=()
  fresh_database origin
  publish_some "$origin" 3
  fork=$(q "$origin" "SELECT pgevents.head()")
  while IFS='|' read -r name make; do
    [[ -n ${name// /} ]] || continue
    "${make// /}" branch
    made+=("$branch")
    publish_some "$branch" 1
    is "$(q "$branch" "SELECT string_agg(after_id::text, ' ' ORDER BY first_id) FROM pgevents.generations")" \
      "0 $fork" "generations after $name"
    is "$(q "$branch" "SELECT max(first_id) - $fork >= pgevents.least_step() FROM pgevents.generations")" t \
      "the step after $name"
  done <<<"$branches"
  is "$(for branch in "${made[@]}"; do newest "$branch"; done | sort -u | wc -l)" ${#made[@]} "different first ids"
  in_every_order "$fork"
}
if [[ $(q postgres "SHOW wal_level") == logical &&
  $(pg_dump --version | tr -dc '0-9.' | cut -d. -f1) -ge $(($(q postgres "SHOW server_version_num") / 10000)) ]]; then
  it "when databases continue one log apart, the clients of each get a reset at every other one" branched
fi
