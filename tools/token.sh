# shellcheck shell=bash
# The demo's key, and tokens signed with it. Sourced by ./run.
#
# jwt.key in the run directory is a secret for HS256: 64 hexadecimal digits without a line end. Only nginx's master and
# the fallback's user can read it.

key_file() { printf '%s\n' "$run_dir/jwt.key"; }

# Creates the key if it does not exist. `ln` is atomic: of two concurrent ./run, the second uses the key of the first.
make_key() {
  local file new
  file=$(key_file)
  mkdir -p -- "$run_dir" || die "Cannot write to $run_dir." \
    "Choose another directory: PGEVENTS_RUN_DIR=/var/tmp/mine ./run $command"
  [[ ! -e $file ]] || return 0
  new=$(mktemp -- "$file.XXXXXX") || die "Cannot write to $run_dir."
  od -An -N32 -v -tx1 /dev/urandom | tr -d ' \n' >"$new"
  close_key "$new"
  ln -- "$new" "$file" 2>/dev/null || true
  rm -f -- "$new"
}

# Restricts a file to its readers. Under root the fallback runs as another user.
close_key() {
  if ((EUID == 0)); then
    chgrp -- "$(id -gn "$web_user")" "$1"
    chmod 640 "$1"
  else
    chmod 600 "$1"
  fi
}

# Copies the key to the directory of the servers' files.
place_key() {
  make_key
  [[ $place != "$run_dir" ]] || return 0
  cmp -s -- "$(key_file)" "$place/jwt.key" && return
  (umask 077 && cp -- "$(key_file)" "$place/jwt.key.new")
  close_key "$place/jwt.key.new"
  mv -- "$place/jwt.key.new" "$place/jwt.key"
}

# Prints a text as a JSON string. The caller has checked that it contains no control characters.
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

# check_name OPTION TEXT: rejects values that the servers reject as a user, realm or pattern; see name_is_sane() in
# core.
check_name() {
  local LC_ALL=C
  ((${#2} > 0)) || die "$1 must not be empty."
  ((${#2} <= 255)) || die "$1 is longer than 255 bytes."
  [[ $2 != *[$'\001'-$'\037\177']* ]] || die "$1 must not contain control characters."
  printf %s "$2" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 || die "$1 must be UTF-8."
}

# The time has microseconds, so that revoke() distinguishes tokens made before and after it in the same second.
claims() {
  local now=${EPOCHREALTIME/,/.}
  printf '{"sub":%s' "$(json_string "$token_user")"
  [[ -z $token_realm ]] || printf ',"realm":%s' "$(json_string "$token_realm")"
  printf ',"iat":%s,"exp":%s.%s' "$now" "$((${now%.*} + token_ttl))" "${now#*.}"
  printf ',"pgevents":{"subscribe":%s,"publish":%s}}' "$(json_list "${token_subscribe[@]}")" \
    "$(json_list "${token_publish[@]}")"
}

# Passes the key through pipes: other users can read the arguments of a process.
sign() {
  local file secret
  file=$(key_file)
  [[ -r $file ]] || die "Cannot read $file." "Run ./run as the user who owns it, or as root."
  secret=$(<"$file")
  ((${#secret} >= 32)) ||
    die "The key in $file is shorter than 32 bytes." "Remove the file: the next ./run creates a new key."
  jose jws sig -I- -c -s '{"protected":{"alg":"HS256","typ":"JWT"}}' \
    -k <(printf '{"kty":"oct","alg":"HS256","k":"%s"}' "$(printf %s "$secret" | jose b64 enc -I-)")
}

# Reads the options and sets token_*.
read_token_options() {
  local given=' '
  token_user='' token_realm='' token_ttl=3600 token_subscribe=() token_publish=()
  while (($# > 0)); do
    case $1 in
      --user | --realm | --subscribe | --publish | --ttl) (($# > 1)) || die "$1 needs a value." "$token_usage" ;;
      *) die "Unknown option '$1'." "$token_usage" ;;
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
  [[ $token_ttl =~ ^[1-9][0-9]{0,8}$ ]] || die "--ttl must be a number of seconds from 1 to 999999999."
}

token_usage="Usage: ./run token --user ID [--realm REALM] [--subscribe PATTERN]… [--publish PATTERN]… [--ttl SECONDS]"

cmd_token() {
  read_token_options "$@"
  command -v jose >/dev/null || need_packages demo >&2
  make_key
  claims | sign
  printf '\n'
}
