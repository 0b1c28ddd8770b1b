#!/usr/bin/env bash
# Sees to what the benchmark needs: what the tests need, Valgrind to count instructions, and the
# servers for Node.js that ours is measured beside. The last two may be missing: the parts that
# want them are left out then.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

say() { printf 'bench-deps: %s\n' "$@" >&2; }

have_servers() {
    have cargo && have redis-server &&
        { have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
}

# It wants Node.js for the clients of the tests, too; the benchmark itself does without.
if ! scripts/test-deps.sh; then
    have_servers || exit 1
    say "going on with what there is"
fi
# `TEST_DATABASE_URL` is enough for the tests; the benchmark starts servers of its own.
if ! have_servers; then
    say "initdb and redis-server have to be there: the benchmark starts servers of its own"
    exit 1
fi

if ! have valgrind; then
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    if have apt-get && { [ "$(id -u)" -eq 0 ] || have sudo; }; then
        echo "bench-deps: installing valgrind …"
        apt() {
            ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
                apt-get -qq -o DPkg::Lock::Timeout=600 "$@" </dev/null
        }
        apt update || say "the package lists could not be renewed; going on with the old ones"
        apt install --yes --no-install-recommends valgrind || true
        hash -r
    fi
    have valgrind || say \
        "valgrind is missing, so that no instructions are counted; install it:" \
        "  Debian/Ubuntu: apt-get install valgrind" \
        "  Fedora: dnf install valgrind" \
        "  Arch: pacman -S valgrind"
fi

# The stamp is a copy of the lock file that was installed.
peers=benches/peers
stamp=$peers/node_modules/.installed-lock.json
node=$peers/node_modules/.bin/node
if cmp -s "$peers/package-lock.json" "$stamp" && [ -x "$node" ]; then
    :
elif ! have npm || ! have node; then
    say "Node.js or npm is missing: going on without the servers that ours is measured beside"
else
    echo "bench-deps: installing the servers that ours is measured beside …"
    if (cd "$peers" && npm ci --loglevel=error) && "$node" --version >/dev/null; then
        cp "$peers/package-lock.json" "$stamp"
    else
        say "npm ci failed in $peers: going on without the servers that ours is measured beside"
        # Half of them would be measured as if they were all.
        rm -rf "$peers/node_modules"
    fi
fi
echo "bench-deps: everything is installed that can be"
