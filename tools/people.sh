# shellcheck shell=bash
# The people of the demo's chat, with a token for each. The page lets a visitor choose any of them, so only this machine
# may read the tokens. Sourced by ./run. The same people are in demo/chat.sql.
people=(10:'Anna Graf' 11:'Beat Keller' 12:'Chantal Rochat' 13:'Dino Bernasconi' 14:'Elin Caduff' 15:'Flurin Arpagaus')
people_ttl=86400 # seconds; ./run up makes new tokens

# Each person may subscribe to the rooms and to presence, and publish to their own inbox.
person() {
  read_token_options --user "$1" --ttl "$people_ttl" \
    --subscribe 'presence:{realm}' --subscribe 'stream:*' --publish 'chat.in:{user}'
  printf '{"id":"%s","name":%s,"token":%s}' "$1" "$(json_string "$2")" "$(json_string "$(claims | sign)")"
}

write_people() {
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
