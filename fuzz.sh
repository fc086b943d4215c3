#!/usr/bin/env bash
# Runs every fuzz target of the module for FUZZTIME (default 30s), one after the other.
set -euo pipefail
cd "$(dirname "$0")"
time=${FUZZTIME:-30s}
# Each line: package and target.
targets=$(grep -rno --include='*_test.go' 'func Fuzz[A-Za-z0-9]*' . | sed -E 's|^(.*)/[^/]+:[0-9]+:func (Fuzz.*)$|\1 \2|' | sort -u)
[ -n "$targets" ] || { echo 'no fuzz targets found' >&2; exit 1; }
while read -r package target; do
  echo "== fuzz $target in $package for $time"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
done <<<"$targets"
