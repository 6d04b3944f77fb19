# shellcheck shell=bash
# The Debian packages that pgevents needs, and the Node.js that its tests need. Sourced by ./run.

# The packages for each kind of command.
packages_for() {
  local demo="g++ make cmake pkg-config nginx nginx-dev postgresql libpq-dev libpcre2-dev
    libfcgi-dev libjose-dev libjansson-dev libssl-dev jose check ca-certificates curl"
  local fuzz="clang libclang-rt-dev llvm"
  case $1 in
    demo) echo "$demo" ;;
    test)
      echo "$demo $fuzz chromium fonts-dejavu-core openssl faketime git iproute2 nftables xz-utils nghttp2-client pgbouncer
        prometheus spawn-fcgi procps spin apache2-bin python3-websockets"
      node_packages
      ;;
    cluster) echo "$(packages_for test) etcd-server haproxy patroni python3-etcd" ;;
    recipe) echo "python3-psycopg" ;;
    recipes)
      echo "$(packages_for recipe) postgresql python3-django python3-flask python3-psycopg2 python3-sqlalchemy
        ruby-activerecord ruby-pg php-cli php-pgsql $(node_packages)"
      ;;
    environments)
      echo "chromium firefox-esr libwebkit2gtk-4.1-0 xvfb xauth"
      node_packages
      ;;
    web-sockets) echo "$(packages_for test) firefox-esr haproxy varnish" ;;
    fuzz) echo "$demo $fuzz" ;;
    asan) echo "$(packages_for test) valgrind" ;;
    containers) echo "$(packages_for test) debootstrap buildah podman crun runc" ;;
    lint) echo "$demo git clang clang-format clang-tidy cppcheck shellcheck $(node_packages)" ;;
    bench) echo "$demo libnginx-mod-nchan redis-server pushpin gnuplot-nox procps $(node_packages)" ;;
  esac
}

# Node.js may be installed from another source, which includes npm.
node_packages() {
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

need_packages() {
  local missing=() package
  command -v apt-get >/dev/null || die "apt-get not found: ./run works on Debian 12 and later." \
    "On other systems, install these packages by hand: $(packages_for "$1" | xargs)"
  for package in $(packages_for "$1"); do
    installed "$package" || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  local root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "Packages are missing, and sudo is not installed." \
      "Run as root: apt-get install ${missing[*]}"
    sudo -v || die "sudo failed." "Run as root: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  step "package lists" apt-update "${root[@]}" apt-get -o DPkg::Lock::Timeout=120 update -q
  step "Debian packages" apt-install "${root[@]}" bash "$repo/tools/install-packages.sh" "${missing[@]}"
}

# The tests need Node.js 20; Debian 12 has 18. npm installs a newer one into build/, beside the system's.
kNodeVersion=22.23.3
need_node() {
  (($(node_major) >= 20)) || fetch_node
}

node_major() { node -p 'process.versions.node.split(".")[0]'; }

# Installs Node.js if needed and puts it first in PATH.
fetch_node() {
  local arch where=$repo/build/node
  arch=$(node -p process.arch)
  [[ -x $where/node_modules/.bin/node ]] || step "Node.js $kNodeVersion (the system's is $(node_major))" node \
    npm install --prefix "$where" --no-save --no-audit --no-fund "node-linux-$arch@$kNodeVersion"
  PATH=$where/node_modules/node-linux-$arch/bin:$PATH
}

# need_npm [DIRECTORY]: installs the npm packages of a directory (default: the tests'), unless package-lock.json is
# unchanged.
need_npm() {
  need_node
  local where=${1:-.}
  local mark=$where/node_modules/.pgevents-lock
  cmp -s "$where/package-lock.json" "$mark" && return
  step "npm packages${1:+ of $1}" npm npm ci --prefix "$where" --no-audit --no-fund
  cp "$where/package-lock.json" "$mark"
}
