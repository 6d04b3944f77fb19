# shellcheck shell=bash disable=SC2154 # work, here and others: set by run.sh
# A standby, a restored dump, and a crashed server. Runs last, because it stops the private cluster.

standby() {
  local database
  fresh_database database
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 3) n" >/dev/null
  q "$database" "INSERT INTO pgevents.revocations VALUES ('10', 'infinity');
    INSERT INTO pgevents.users (user_id) VALUES ('10');
    SELECT FROM pgevents.presence_report('[{\"realm\":\"main\",\"user\":\"10\"}]')"
  watch "$database"
  q "$database" "SELECT pgevents.publish('c', 't', '\"left\"')" >/dev/null
  as_postgres mkdir -m 700 "$work/standby"
  as_postgres pg_basebackup -h "$work" -U postgres -D "$work/standby" -R --checkpoint=fast
  as_postgres pg_ctl -D "$work/standby" -l "$work/standby.log" -o "-p 5433" -t 180 -w -s start
  trap 'as_postgres pg_ctl -D "$work/standby" -m immediate -s stop; close_sessions' EXIT
  export PGPORT=5433
  is "$(q "$database" "SELECT pg_is_in_recovery()")" t "it is a standby"
  is "$(q "$database" "SELECT string_agg(id || type, ' ') FROM pgevents.fetch('{c}', 2, NULL, 9, 999)")" \
    "3t 4t 5end" "fetch"
  is "$(q "$database" "SELECT string_agg(id || type, ' ') FROM pgevents.fetch('{c}', 6, NULL, 9, 999)")" \
    "6end" "fetch with a cursor that has not arrived"
  is "$(ids "$database" 600000000)" "ahead 2 3 4 5" "fetch with a cursor of another log"
  wait_for "$database" t "SELECT pgevents.fed_since() > now() - interval '1 hour'"
  is "$(q "$database" "SELECT count(*) FROM pgevents.log_after(0, 9)")" 4 "log_after"
  is "$(q "$database" "SELECT s FROM pgevents.listener_start(0, 0, 9) s")" "(5,1,1,t)" "listener_start"
  is "$(q "$database" "SELECT pgevents.status() ->> 'head'")" 5 "status"
  is "$(q "$database" "SELECT pgevents.prune()")" 0 "prune"
  is "$(q "$database" "SELECT pgevents.presence_tick()")" 500 "presence_tick"
  is "$(q "$database" "SELECT string_agg((a -> 'presences' -> '10' IS NOT NULL)::text, ' ') FROM
    (SELECT '{\"user\":\"10\"}'::jsonb AS who) w, unnest(ARRAY[pgevents.http_register(who, '{}'),
      pgevents.http_realm_presence(who, '{}')]) a")" \
    "true true" "presence"
  is "$(q "$database" "SELECT string_agg(r::text, ' ') FROM pgevents.revocations() r")" \
    "(10,9223372036854775807)" "revocations"
  is "$(q "$database" "SELECT pgevents.token_revoked('10', 1), pgevents.token_revoked('11', 1)")" "t|f" "token_revoked"
  is "$(q "$database" "SELECT s, pgevents.sequencer_begin() FROM pgevents.sequence() s")" "(0,0,f,f,f,f)|f" "sequence"
  is "$(q "$database" "SELECT s ->> 'ready', s ->> 'settled' FROM pgevents.status() s")" "1|false" "events without ids"
  # It takes over.
  as_postgres pg_ctl -D "$work/standby" -w -s promote
  q "$database" "SELECT pgevents.sequence()" >/dev/null
  settle "$database"
  is "$(q "$database" "SELECT string_agg(type || data, ' ') FROM pgevents.log_after(5, 9)")" \
    'pgevents.generation{"after" : 5} t"left"' "what was left, in a new generation of ids"
  old_goes_on "$database"
}

# old_goes_on DATABASE: the old primary publishes behind event 5, crashes, and begins a generation, as its standby did.
# The clients of each get a reset at the other one, also when that has come further.
old_goes_on() {
  local old_port=5432 new_port=5433 lost
  PGPORT=$old_port publish_some "$1" 3
  (
    unset PGPORT # that of a server, too
    as_postgres pg_ctl -D "$work/data" -m immediate -w -s stop
    start_server
  )
  PGPORT=$old_port publish_some "$1" 10
  all_reset "$1" 5 "$(PGPORT=$old_port lost_cursors "$1" 5)"
  publish_some "$1" 50
  all_reset "$1" 5 "$(PGPORT=$old_port lost_cursors "$1" 5)"
  lost=$(lost_cursors "$1" 5)
  export PGPORT=$old_port
  all_reset "$1" 5 "$lost"
  publish_some "$1" 100
  all_reset "$1" 5 "$lost"
  export PGPORT=$new_port
}
if [[ $url == - && -x $pg_bin/pg_basebackup ]]; then
  it "a physical standby answers everything that only reads, and gives ids to what was left when it takes over" standby
fi

# A backup has everything except the staged rows.
restored() {
  local source copy
  fresh_database source
  empty_database copy
  q "$source" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 3) n;
    SELECT pgevents.revoke('10', 'infinity')" >/dev/null
  q "$source" "INSERT INTO pgevents.users (user_id) VALUES ('10'), ('11');
    INSERT INTO pgevents.streams VALUES ('7', 'main', 'general');
    SELECT FROM pgevents.presence_report('[{\"realm\":\"main\",\"user\":\"10\"}]')"
  pg_dump -d "$source" | psql -Xq -v ON_ERROR_STOP=1 -d "$copy" >/dev/null
  is "$(q "$copy" "SELECT string_agg(id || type, ' ' ORDER BY id) FROM pgevents.log_after(0, 9)")" \
    "2t 3t 4t 5pgevents.revoked 6presence" "events"
  is "$(q "$copy" "SELECT pgevents.token_revoked('10', 1), pgevents.token_revoked('11', 1)")" "t|f" "tokens"
  q "$copy" "SELECT FROM pgevents.presence_report('[{\"realm\":\"main\",\"user\":\"11\"}]')"
  is "$(q "$copy" "SELECT string_agg(user_id || update_id, ' ' ORDER BY user_id) FROM pgevents.presence")" \
    "101 112" "presence"
  q "$copy" "SET ROLE pgevents_admin; SELECT pgevents.revoke('10', '-infinity')" >/dev/null
  is "$(q "$copy" "SELECT (id > 6) || data::text FROM pgevents.log ORDER BY id DESC LIMIT 1")" \
    'true{"user":"10","before_us":0}' "the next event"
}
if [[ $(pg_dump --version | tr -dc '0-9.' | cut -d. -f1) -ge $(($(q postgres "SHOW server_version_num") / 10000)) ]]; then
  it "a database restored from a dump has the events and the revocations, and continues" restored
fi

crash() {
  local database
  fresh_database database
  q "$database" "SELECT pgevents.publish('c', 't', to_json(n)) FROM generate_series(1, 5) n" >/dev/null
  # One event was left and has no id yet, one is of a transaction that has left it and not committed.
  watch "$database"
  q "$database" "SELECT pgevents.publish('c', 't', '\"left\"')" >/dev/null
  run_in leaver "SELECT pgevents.publish('c', 't', '\"lost\"'); SET CONSTRAINTS ALL IMMEDIATE;"
  session open "$database"
  run_in open "BEGIN; SELECT pgevents.publish('c', 't', '\"lost\"');"
  as_postgres pg_ctl -D "$work/data" -m immediate -w -s stop
  start_server
  is "$(q "$database" "SELECT string_agg(id || ':' || data, ' ') FROM pgevents.log_after(0, 9)")" \
    "2:1 3:2 4:3 5:4 6:5" "events"
  is "$(q "$database" "SELECT pgevents.status() ->> 'staged'")" 0 "staged rows"
  is "$(q "$database" "SELECT count(*) FROM pgevents.ready")" 1 "events without ids"
  q "$database" "SELECT pgevents.publish('c', 't', '6')" >/dev/null
  is "$(q "$database" "SELECT string_agg(type || data, ' ') FROM pgevents.log_after(6, 9)")" \
    'pgevents.generation{"after" : 6} t"left" t6' "the next events, in a new generation of ids"
  is "$(q "$database" "SELECT string_agg(type, ' ') FROM pgevents.fetch('{c}', 6, NULL, 9, 999)")" \
    "t t end" "a client that has every event"
  is "$(q "$database" "SELECT string_agg(type, ' ') FROM pgevents.fetch('{c}', 7, NULL, 9, 999)")" \
    "pgevents.reset t t end" "a client that has more events"
  settle "$database"
}
if [[ $url == - ]]; then
  it "after a crash every committed event is kept, and the next one begins a new generation" crash
fi
