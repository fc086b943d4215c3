#!/usr/bin/env bash
# Checks sign-in, tokens and projects with a real Keystone on loopback, which needs two Debian packages. They are installed
# where that is possible; where it is not, the tests are skipped, but in CI that is a failure.
set -euo pipefail
cd "$(dirname "$0")"
packages=(python3-keystone gunicorn)

have() { dpkg-query -W -f '${Status}\n' "${packages[@]}" 2>/dev/null | grep -c '^install ok installed$' | grep -qx "${#packages[@]}"; }
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}" >/dev/null 2>&1; }

if ! have && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  install || { apt-get update >/dev/null 2>&1 && install; } || true
fi
if ! have; then
  echo "SKIPPED: the tests with a real Keystone. They need: apt-get install --no-install-recommends ${packages[*]}" >&2
  [ -z "${CI:-}" ] || { echo "in CI they must not be skipped" >&2; exit 1; }
  exit 0
fi
LLMHUB_KEYSTONE=1 go test -count=1 -run '^TestKeystone' -timeout 10m ./identity/iam
