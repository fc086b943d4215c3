#!/usr/bin/env bash
# build.sh OUT builds the one binary, stripped, with the version that clients see: without it a chart's kubeVersion never matches.
set -euo pipefail
out=$(realpath "$1")
cd "$(dirname "$0")"
v=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
n=${v#v} rest=${v#*.}
major=${n%%.*} minor=${rest%%.*}
p=k8s.io/component-base/version
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X $p.gitVersion=$v -X $p.gitMajor=$major -X $p.gitMinor=$minor -X $p.gitTreeState=clean" -o "$out" .
