#!/usr/bin/env bash
# Everything there is to test, in the order in which failures are cheap. Missing Debian packages are installed.
#
#   FUZZTIME   time for each fuzz target; default 20s in CI, 5s elsewhere
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

# need COMMAND PACKAGE installs the package if the command is missing.
need() {
  # Debian keeps the programs of a database server in a folder for each version.
  PATH=$PATH:/usr/sbin:$(printf '%s:' /usr/lib/postgresql/*/bin) command -v "$1" >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the tests need $1: install the Debian package $2" >&2
    exit 1
  fi
  apt-get install -y --no-install-recommends "$2" >/dev/null 2>&1 ||
    { apt-get update && apt-get install -y --no-install-recommends "$2"; } >/dev/null
}

say "packages"
need curl curl
need nginx nginx-light
need postgres postgresql
need pgbouncer pgbouncer
# The race detector needs a C compiler.
need gcc gcc

# The control plane takes minutes to build from nothing; there is time for it beside the checks.
nice testcluster/build.sh bin/testcluster >/dev/null 2>&1 &
control_plane=$!

say "make check"
make --no-print-directory check

say "fuzz"
FUZZTIME=${FUZZTIME:-$([ -n "${CI:-}" ] && echo 20s || echo 5s)} ./fuzz.sh

say "go test keystone"
./test-keystone.sh

say "Kubernetes control plane"
wait "$control_plane" || testcluster/build.sh bin/testcluster

say "portal in a browser"
testcluster/with.sh ./test-e2e.sh

say "PostgreSQL, oldest and newest"
./test-postgres.sh

say "go test -race"
testcluster/with.sh go test -race -count=1 -timeout 30m ./...
