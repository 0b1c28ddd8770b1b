#!/usr/bin/env bash
# Sees to what the tests need beside Rust: PostgreSQL, Redis and Node.js, and the npm clients.
# On Debian and Ubuntu it installs what is missing; elsewhere it says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

# Debian keeps initdb out of PATH. A given server (TEST_DATABASE_URL) makes it unnecessary.
have_postgresql() {
    [ -n "${TEST_DATABASE_URL:-}" ] || have initdb ||
        compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

find_missing() {
    missing=()
    have_postgresql || missing+=(postgresql)
    have redis-server || missing+=(redis-server)
    have node || missing+=(nodejs)
    have npm || missing+=(npm)
}

fail() {
    printf 'test-deps: %s\n' "$@" >&2
    exit 1
}

# The packages that are missing, by their names in another distribution.
named() {
    local package
    for package in "${missing[@]}"; do
        case "$1:$package" in
        dnf:postgresql) printf ' postgresql-server' ;;
        dnf:redis-server) printf ' redis' ;;
        dnf:npm) printf ' nodejs-npm' ;;
        pacman:redis-server | brew:redis-server) printf ' redis' ;;
        brew:nodejs) printf ' node' ;;
        brew:npm) have node && printf ' node' ;; # else named already
        *) printf ' %s' "$package" ;;
        esac
    done
}

have cargo || fail "cargo is missing: install Rust from https://rustup.rs"
have cc || have gcc || have clang || fail \
    "a C compiler is missing; install it:" \
    "  Debian/Ubuntu: apt-get install build-essential" \
    "  Fedora: dnf install gcc" \
    "  Arch: pacman -S gcc" \
    "  macOS: xcode-select --install"

find_missing
if [ ${#missing[@]} -gt 0 ]; then
    have apt-get || fail \
        "missing: ${missing[*]}; install it:" \
        "  Fedora: dnf install$(named dnf)" \
        "  Arch: pacman -S$(named pacman)" \
        "  macOS: brew install$(named brew)" \
        "initdb, redis-server, node and npm have to be on PATH"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo || fail \
            "missing: ${missing[*]}; without sudo, run as root:" \
            "  apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
    fi
    # The tests start servers of their own: in runlevel 1 the packages start none.
    apt() {
        ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get -qq -o DPkg::Lock::Timeout=600 "$@" </dev/null
    }
    echo "test-deps: installing ${missing[*]} …"
    apt update || echo "test-deps: the package lists could not be renewed; going on with the old ones" >&2
    # Some packages of nodejs bring npm and conflict with Debian's: a second round asks for npm
    # if it is still missing. In a container where no service can be started apt-get fails
    # although all files are in place, so what counts is what is there afterwards.
    without_npm=()
    for package in "${missing[@]}"; do
        [ "$package" = npm ] || without_npm+=("$package")
    done
    if [ ${#without_npm[@]} -gt 0 ]; then
        apt install --yes --no-install-recommends "${without_npm[@]}" || true
    fi
    have npm || apt install --yes --no-install-recommends npm || true
    hash -r
    find_missing
    [ ${#missing[@]} -eq 0 ] || fail "apt-get did not install ${missing[*]}; its reason is above"
fi

# The stamp is a copy of the lock file that was installed.
clients=tests/clients
stamp=$clients/node_modules/.installed-lock.json
if ! cmp -s "$clients/package-lock.json" "$stamp" || [ ! -x "$clients/node_modules/.bin/node" ]; then
    echo "test-deps: installing the npm clients …"
    (cd "$clients" && npm ci --include=dev --loglevel=error) || fail "npm ci failed in $clients"
    "$clients/node_modules/.bin/node" --version >/dev/null ||
        fail "the Node.js of the npm package \`node\` does not run on this machine"
    cp "$clients/package-lock.json" "$stamp"
fi
echo "test-deps: everything is installed"
