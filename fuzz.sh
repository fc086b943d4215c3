#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (default 30s), one after the other.
set -euo pipefail
cd "$(dirname "$0")"
time=${FUZZTIME:-30s}
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# fuzz PACKAGE TARGET. Go's fuzzing now and then fails with nothing but "context deadline exceeded" when the time is up
# while a worker is at work; it has found no input then, and is run again.
fuzz() {
  for attempt in 1 2 3; do
    echo "== fuzz $2 in $1 for $time"
    if go test -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" 2>&1 | tee "$out"; then
      return 0
    fi
    if grep -q 'Failing input written' "$out" || ! grep -qx ' *context deadline exceeded' "$out"; then
      return 1
    fi
  done
  return 1
}

# Each line: package and target.
targets=$(grep -rno --include='*_test.go' 'func Fuzz[A-Za-z0-9]*' . | sed -E 's|^(.*)/[^/]+:[0-9]+:func (Fuzz.*)$|\1 \2|' | sort -u)
[ -n "$targets" ] || { echo 'no fuzz targets found' >&2; exit 1; }
while read -r package target; do
  fuzz "$package" "$target" </dev/null
done <<<"$targets"
