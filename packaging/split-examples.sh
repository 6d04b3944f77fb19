#!/bin/sh
# Divides each conf/NAME.conf into two files for a site that has an nginx.conf already, as Debian's:
#   OUT/conf.d/NAME.conf      the directives of `http`, for /etc/nginx/conf.d
#   OUT/snippets/NAME.conf    the locations, to be included by the site's `server`
#   packaging/split-examples.sh CONF OUT
# The first comment of the example begins the snippet. A site has its own `listen`, `server_name` and certificate.
# Of status.conf only the snippet is made, with the locations of the status: a site adds it to another example.
set -eu
umask 022
conf=$1
out=$2
mkdir -p "$out/conf.d" "$out/snippets"
for file in "$conf"/*.conf; do
  name=${file##*/}
  http=$out/conf.d/$name
  [ "$name" != status.conf ] || http=/dev/null
  : >"$http"
  awk -v http="$http" -v server="$out/snippets/$name" -v name="$name" '
    function flush_to(target, indent) {
      for (i = 1; i <= kept; i++) if (i > 1 || held[i] != "" || target in begun) print substr(held[i], indent + 1) >target
      begun[target] = 1
      kept = 0
    }
    BEGIN {
      if (http == "/dev/null") print "# From the example " name ", for a site that has another example.\n#" >server
      else print "# From the example " name "; its directives of `http` are in conf.d/" name ".\n#" >server
      print "# From the example " name ", for /etc/nginx/conf.d; its locations are in snippets/" name ".\n" >http
    }
    !started && /^#/ { print >server; next }
    !started && /^$/ { print >server; started = 1; next }
    /^http {/ { inside = "http"; next }
    inside == "http" && /^    server {/ { inside = "server"; kept = 0; next }
    inside == "server" && /^    }/ { inside = "http"; kept = 0; next }
    inside == "http" && /^}/ { inside = ""; next }
    inside == "" { next }
    http == "/dev/null" && /^        location \/rt\/ / { other = 1 }
    other { other = !/^        }/; kept = 0; next }
    # Comments and empty lines belong to what follows.
    /^ *#/ || /^$/ { held[++kept] = $0; next }
    inside == "server" && /^        (listen|server_name|ssl_certificate|ssl_certificate_key|ssl_protocols|ssl_session_cache|http2|http3|quic_[a-z]+) / { kept = 0; next }
    inside == "server" { flush_to(server, 8); print substr($0, 9) >server; next }
    { flush_to(http, 4); print substr($0, 5) >http }' "$file"
done
