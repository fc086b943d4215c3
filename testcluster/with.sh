#!/usr/bin/env bash
# with.sh COMMAND... runs a command beside a Kubernetes control plane of its own, whose kubeconfig LLMHUB_TEST_KUBECONFIG names.
# The first build of the control plane takes about 5 minutes on two idle cores; the start takes 5 seconds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(dirname "$here")/bin/testcluster
if [ ! -e "$program" ] || [ -n "$(find "$here" -newer "$program" -type f -print -quit)" ]; then
  echo "building the Kubernetes control plane for the tests" >&2
  mkdir -p "$(dirname "$program")"
  "$here/build.sh" "$program"
fi
dir=$(mktemp -d)
# Its standard input is a pipe: it ends when this script does, however that is.
coproc CLUSTER { exec "$program" up "$dir" 2>"$dir/up.log"; }
pid=$CLUSTER_PID
stop() {
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  rm -rf "$dir"
}
trap stop EXIT
if ! read -r -t 300 line <&"${CLUSTER[0]}"; then
  echo "the control plane has not started:" >&2
  cat "$dir/up.log" >&2
  exit 1
fi
export LLMHUB_TEST_KUBECONFIG=${line#KUBECONFIG=}
"$@"
