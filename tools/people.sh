# shellcheck shell=bash
# The people of the demo's chat, with a token for each. The page lets a visitor choose any of them, so only this machine
# may read the tokens. They are valid for minutes, and a process renews them: the pages show how an application does so.
# Sourced by ./run. The same people are in demo/chat.sql.
people=(10:'Anna Graf' 11:'Beat Keller' 12:'Chantal Rochat' 13:'Dino Bernasconi' 14:'Elin Caduff' 15:'Flurin Arpagaus')
people_ttl=${PGEVENTS_TOKEN_SECONDS:-600} # new tokens are signed after half of this time

# Each person may subscribe to the rooms and to presence, and publish to their own inbox.
person() {
  read_token_options --user "$1" --ttl "$people_ttl" \
    --subscribe 'presence:{realm}' --subscribe 'stream:*' --publish 'chat.in:{user}'
  printf '{"id":"%s","name":%s,"token":%s}' "$1" "$(json_string "$2")" "$(json_string "$(claims | sign)")"
}

write_people() {
  [[ $people_ttl =~ ^[1-9][0-9]{0,8}$ ]] || die "PGEVENTS_TOKEN_SECONDS must be a number of seconds."
  local entry between='' new=$place/people.json.new
  (umask 077 && : >"$new")
  close_key "$new"
  {
    printf '['
    for entry in "${people[@]}"; do
      printf '%s' "$between"
      person "${entry%%:*}" "${entry#*:}"
      between=,
    done
    printf ']\n'
  } >"$new"
  mv -- "$new" "$place/people.json"
}

# ./run people SECONDS FILE: what the signer runs. Signs new tokens for as long as nginx runs. It pauses by a read that
# nothing answers: a `sleep` would survive when this process is stopped.
cmd_people() {
  local pause
  people_ttl=$1
  find_place
  exec {pause}<> <(:)
  while nginx_pid >/dev/null; do
    read -r -t "$(((people_ttl + 1) / 2))" -u "$pause" || true
    write_people
  done
}

signer_pid() { pid_of "$place/people.pid" "people ${1-}"; }
stop_signer() { stop_process "signer of the chat's tokens" "$place/people.pid" "$place/people.json" TERM:5 KILL:5; }

# The signer stands for the application, which signs a token when a page with a session asks for one.
start_signer() {
  ! signer_pid "$people_ttl $place/people.json" >/dev/null || return 0
  stop_signer
  PGEVENTS_RUN_DIR=$run_dir setsid "$repo/run" people "$people_ttl" "$place/people.json" \
    </dev/null >>"$place/people.log" 2>&1 9>&- &
  printf '%s\n' "$!" >"$place/people.pid"
}
