#!/usr/bin/env bash
# The portal in a browser: checks the types of its scripts, and goes through its pages with Debian's Chromium.
#
#   E2E_SHOTS   folder for the screenshots of all pages; default a temporary one that is removed
#   CHROMIUM    the browser; default /usr/bin/chromium
#   LLMHUB_TEST_KUBECONFIG   the control plane that is deployed to, set by testcluster/with.sh; without it those tests are skipped, in CI they fail
set -euo pipefail
cd "$(dirname "$0")"

missing=()
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v "${CHROMIUM:-/usr/bin/chromium}" >/dev/null || missing+=(chromium)
[ -e /usr/share/fonts/opentype/inter ] || missing+=(fonts-inter)
if [ ${#missing[@]} -gt 0 ]; then
  install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null; }
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the tests in a browser need these Debian packages: ${missing[*]}" >&2
    exit 1
  fi
  install 2>/dev/null || { apt-get update >/dev/null && install; }
fi

make --no-print-directory build
cd e2e
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent
npx tsc --project .
node --test --test-reporter=tap --test-concurrency=2
