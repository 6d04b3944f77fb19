# shellcheck shell=bash
# The demo's key, and tokens signed with it. Sourced by ./run.
#
# jwt.key in the run directory is a secret for HS256: 64 hexadecimal digits without a line end. nginx's master and the
# fallback's user read it, nobody else.

key_file() { printf '%s\n' "$run_dir/jwt.key"; }

# Whoever comes second finds the key of the first: a link is made at once or not at all.
make_key() {
  local file new
  file=$(key_file)
  mkdir -p -- "$run_dir" || die "Cannot write to $run_dir. Name another directory: PGEVENTS_RUN_DIR=/var/tmp/mine ./run $command"
  [[ ! -e $file ]] || return 0
  new=$(mktemp -- "$file.XXXXXX") || die "Cannot write to $run_dir."
  od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n' >"$new"
  close_key "$new"
  ln -- "$new" "$file" 2>/dev/null || true
  rm -f -- "$new"
}

# As root, the fallback is another user.
close_key() {
  if ((EUID == 0)); then
    chgrp -- "$(id -gn "$web_user")" "$1"
    chmod 640 "$1"
  else
    chmod 600 "$1"
  fi
}

# The servers read it where their other files are.
place_key() {
  make_key
  [[ $place != "$run_dir" ]] || return 0
  cmp -s -- "$(key_file)" "$place/jwt.key" && return
  (umask 077 && cp -- "$(key_file)" "$place/jwt.key.new")
  close_key "$place/jwt.key.new"
  mv -- "$place/jwt.key.new" "$place/jwt.key"
}

# TEXT as JSON; whoever calls has seen to it that it holds no control character.
json_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

json_list() {
  local between='' text
  printf '['
  for text in "$@"; do
    printf '%s%s' "$between" "$(json_string "$text")"
    between=,
  done
  printf ']'
}

# What the servers take as a user, realm or pattern: see name_is_sane() in core.
check_name() {
  local LC_ALL=C
  ((${#2} > 0)) || die "$1 must not be empty."
  ((${#2} <= 255)) || die "$1 is longer than 255 bytes."
  [[ $2 != *[$'\001'-$'\037\177']* ]] || die "$1 must not hold control characters."
  printf %s "$2" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 || die "$1 is not UTF-8."
}

# The time has its fraction, so that `revoke` tells a new token from one that was made in the same second before.
claims() {
  local now=${EPOCHREALTIME/,/.}
  printf '{"sub":%s' "$(json_string "$token_user")"
  [[ -z $token_realm ]] || printf ',"realm":%s' "$(json_string "$token_realm")"
  printf ',"iat":%s,"exp":%s.%s' "$now" "$((${now%.*} + token_ttl))" "${now#*.}"
  printf ',"pgevents":{"subscribe":%s,"publish":%s}}' "$(json_list "${token_subscribe[@]}")" "$(json_list "${token_publish[@]}")"
}

# Everybody may read the arguments of a process: the key goes through pipes.
sign() {
  local file secret
  file=$(key_file)
  [[ -r $file ]] || die "Cannot read $file: it belongs to another user."
  secret=$(<"$file")
  ((${#secret} >= 32)) || die "$file is no key of the demo: it is shorter than 32 bytes. Remove it and a new one is made."
  jose jws sig -I- -c -s '{"protected":{"alg":"HS256","typ":"JWT"}}' \
    -k <(printf '{"kty":"oct","alg":"HS256","k":"%s"}' "$(printf %s "$secret" | jose b64 enc -I-)")
}

# Sets token_*.
read_token_options() {
  local given=' '
  token_user='' token_realm='' token_ttl=3600 token_subscribe=() token_publish=()
  while (($# > 0)); do
    case $1 in
      --user | --realm | --subscribe | --publish | --ttl) (($# > 1)) || die "$1 needs a value." "$token_usage" ;;
      *) die "There is no option '$1'." "$token_usage" ;;
    esac
    check_name "$1" "$2"
    [[ $1 == --subscribe || $1 == --publish || $given != *" $1 "* ]] || die "$1 is given twice." "$token_usage"
    given+="$1 "
    case $1 in
      --user) token_user=$2 ;;
      --realm) token_realm=$2 ;;
      --subscribe) token_subscribe+=("$2") ;;
      --publish) token_publish+=("$2") ;;
      --ttl) token_ttl=$2 ;;
    esac
    shift 2
  done
  [[ -n $token_user ]] || die "$token_usage"
  [[ $token_ttl =~ ^[1-9][0-9]{0,8}$ ]] || die "--ttl is a number of seconds: 1 to 999999999."
}

token_usage="Usage: ./run token --user ID [--realm REALM] [--subscribe PATTERN]… [--publish PATTERN]… [--ttl SECONDS]"

cmd_token() {
  read_token_options "$@"
  command -v jose >/dev/null || need_packages demo >&2
  make_key
  claims | sign
  printf '\n'
}
