# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# A standby, and what a crash of the server leaves. Runs last, because it stops the private cluster.

standby() {
  local database
  fresh_database database
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 3) n" >/dev/null
  as_postgres mkdir -m 700 "$work/standby"
  as_postgres pg_basebackup -h "$work" -U postgres -D "$work/standby" -R --checkpoint=fast
  as_postgres pg_ctl -D "$work/standby" -l "$work/standby.log" -o "-p 5433" -w -s start
  trap 'as_postgres pg_ctl -D "$work/standby" -m immediate -s stop; close_sessions' EXIT
  export PGPORT=5433
  is "$(q "$database" "SELECT pg_is_in_recovery()")" t "it is a standby"
  is "$(q "$database" "SELECT string_agg(id || type, ' ') FROM pgevents.fetch('{c}', 2, NULL, 9, 999)")" "3t 4t 4end" "fetch"
  is "$(q "$database" "SELECT count(*) FROM pgevents.log_after(0, 9)")" 3 "log_after"
  is "$(q "$database" "SELECT s FROM pgevents.listener_start(0, 0, 9) s")" "(4,1,1,t)" "listener_start"
  is "$(q "$database" "SELECT pgevents.status() ->> 'head'")" 4 "status"
  is "$(q "$database" "SELECT pgevents.prune()")" 0 "prune"
}
if [[ $url == - && -x $pg_bin/pg_basebackup ]]; then
  it "a physical standby answers everything that only reads" standby
fi

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
