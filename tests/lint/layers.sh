#!/usr/bin/env bash
# core includes no header of nginx, libpq or FastCGI.
# Everything in core is unit-tested without a server; that stays possible only as long as it knows none.
set -euo pipefail
forbidden='^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]((ngx_|nginx|libpq|libpq-fe|postgres|pg_|fcgi|fastcgi)[^>"]*|.*/(ngx_|libpq|fcgi)[^>"]*|\.\./[^>"]*)[>"]'
if git ls-files -- 'core/*' | xargs grep -nEi "$forbidden"; then
  echo "These includes do not belong into core/."
  exit 1
fi
if git ls-files -- 'fcgi_fallback/*' | xargs -r grep -nE '#[[:space:]]*include[[:space:]]*[<"].*ngx_'; then
  echo "The fallback knows nothing of the nginx module."
  exit 1
fi
if git ls-files -- 'postgres/*' | xargs -r grep -nE '#[[:space:]]*include[[:space:]]*[<"].*(ngx_|fcgi)'; then
  echo "postgres/ serves module and fallback, and includes headers of neither."
  exit 1
fi
