#!/usr/bin/env bash
# The tests of store/postgres on each PostgreSQL that store/postgres/versions/package.json names as postgres-MAJOR, beside
# Debian's, which go test ./... runs on. Where there are no programs for this machine they are skipped, but in CI that is a failure.
set -euo pipefail
cd "$(dirname "$0")"

folder=$PWD/store/postgres/versions
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  echo "SKIPPED: the tests on other versions of PostgreSQL, which are there for Linux on x86-64 alone" >&2
  [ -z "${CI:-}" ] || { echo "in CI they must not be skipped" >&2; exit 1; }
  exit 0
fi
command -v npm >/dev/null || { echo "the tests on other versions of PostgreSQL need Node 20 and npm: install the Debian packages nodejs and npm" >&2; exit 1; }
majors=$(cd "$folder" && node -p 'Object.keys(require("./package.json").devDependencies).map(name => /^postgres-(\d+)$/.exec(name)[1]).join(" ")')
[ -n "$majors" ] || { echo "no versions found" >&2; exit 1; }

if ! [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
  # Archives of npm have no symbolic links. The script of the package makes those of its libraries, here by name, since
  # whether npm runs it is a matter of its settings.
  (cd "$folder" && npm ci --loglevel=error --ignore-scripts >/dev/null)
fi
for major in $majors; do
  (cd "$folder/node_modules/postgres-$major" && node scripts/hydrate-symlinks.js)
done

dir=$(mktemp -d)
declare -A running
stop() {
  [ ${#running[@]} = 0 ] || kill "${running[@]}" 2>/dev/null || true
  wait
  rm -rf "$dir"
}
trap stop EXIT
# What depends on the version is what the server does: the race detector and long random runs are for Debian's.
go test -c -o "$dir/tests" ./store/postgres
cd store/postgres
# At once, since much of the time is waiting. The server itself says that it is of this version, or nothing passes.
for major in $majors; do
  LLMHUB_TEST_POSTGRES=$folder/node_modules/postgres-$major/native/bin LLMHUB_TEST_POSTGRES_MAJOR=$major \
    "$dir/tests" -test.count=1 -test.timeout=10m -rapid.checks=3 >"$dir/$major.log" 2>&1 &
  running[$major]=$!
done
failed=0
for major in $majors; do
  echo "== store/postgres on PostgreSQL $major"
  wait "${running[$major]}" || failed=1
  unset "running[$major]"
  cat "$dir/$major.log"
done
exit $failed
