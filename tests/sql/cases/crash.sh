# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# What a crash of the server leaves. Runs last, because it stops the private cluster.

crash() {
  local database
  fresh_database database
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 5) n" >/dev/null
  session open "$database"
  run_in open "BEGIN; SELECT pgevents.publish('c', 't', '\"lost\"');"
  as_postgres pg_ctl -D "$work/data" -m immediate -w -s stop
  start_server
  is "$(q "$database" "SELECT string_agg(id || ':' || data, ' ') FROM pgevents.log_after(0, 9)")" "2:1 3:2 4:3 5:4 6:5" "events"
  is "$(q "$database" "SELECT pgevents.status() ->> 'staged'")" 0 "staged rows"
  q "$database" "SELECT pgevents.publish('c', 't', '6')" >/dev/null
  is "$(q "$database" "SELECT string_agg(data, ' ') FROM pgevents.log_after(6, 9)")" 6 "the next event, with a greater id"
}
if [[ $url == - ]]; then
  it "after a crash every committed event is there, and the next one has a greater id" crash
fi
