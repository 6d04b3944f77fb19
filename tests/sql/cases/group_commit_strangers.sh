# shellcheck shell=bash disable=SC2154 # work and others: set by run.sh
# What a role that may only connect can do to group commit. Uses functions of group_commit.sh, which runs before.

# What a listener calls, whoever has one of the locks. A call that waited would keep it from reading the log, and leave
# a session behind that waits, each time that the front-end gives up and connects again.
listener_calls="
listener_start(0, 0, 10)
log_after(0, 10)
sequencer_ready()
publishers_waiting()
sequencer_begin()
sequence()
sequencer_end()
presence_tick()
prune()
"
locks_of_strangers() {
  local database number call
  fresh_database database
  q "$database" "$(publish a)" >/dev/null
  for number in 1 2 3 4 5 6 7; do
    watch "$database"
    q "$database" "$(publish b)" >/dev/null
    unwatch
    session stranger "$database"
    run_in stranger "SELECT pg_advisory_lock(1885824374, $number);"
    while read -r call; do
      [[ -n $call ]] || continue
      promptly "$database" "SET ROLE pgevents_server; SELECT * FROM pgevents.$call" >/dev/null ||
        fail "$call waits for lock $number"
    done <<<"$listener_calls"
    close_session stranger
    close_session leaver
    close_session sequencer
    settle "$database"
  done
}
it "whoever has one of pgevents' locks, no call of a listener waits for it" locks_of_strangers
