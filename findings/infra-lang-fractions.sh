#!/usr/bin/env bash
# infra-lang 1.0.1 (PyPI, September 2026), which reads Kubernetes manifests into a language of its own and writes manifests, Helm charts and compose files.
#
# Behaviour: what follows the point of a memory quantity is cut off, and the unit stays: 1.5Gi becomes 1Gi, and 0.75Gi becomes 0Gi. Its own file and its
# estimate of the cost still have the fraction. Quantities of CPU keep theirs. `validate` and `--validate-output` have nothing to say. The compose
# file, written from the same source, has no limits at all, and keeps GOMEMLIMIT.
#
# Seen, from a Deployment, by way of `infra import`:
#   memory in the manifest              1536Mi      1.5Gi       0.75Gi
#   in the manifest or chart written    1536Mi      1Gi         0Gi
#   in the cost of two replicas         3.00 GB     3.00 GB     1.50 GB
#
# Why it hurts: Kubernetes takes a limit of 0 for none, and a request of 0 makes the pod one of the first to go when its node is short of memory. In the other
# column a Go program with GOMEMLIMIT=1300MiB, which fits 1.5Gi, is killed at 1Gi before its collector makes any effort.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet infra-lang==1.0.1 || exit 77
export NO_COLOR=1 COLUMNS=160 HOME=$work

memory() { # FILE: the first quantity of memory in it
    sed -nE "s/^ *memory: '?([^']*)'?$/\1/p" "$1" | head -1
}
for quantity in 1536Mi 1.5Gi 0.75Gi; do
    cat >deploy.yaml <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          image: shop:1
          ports: [{containerPort: 8080}]
          env: [{name: GOMEMLIMIT, value: 460MiB}]
          resources:
            requests: {cpu: "1.5", memory: $quantity}
            limits: {cpu: "1.5", memory: $quantity}
END
    rm -rf out
    env/bin/infra import deploy.yaml -o shop.infra >/dev/null
    env/bin/infra compile shop.infra -o out --validate-output >compiled
    [ "$(grep -c "memory: $quantity" shop.infra)" = 2 ]
    grep -q "cpu: '1.5'" out/infra.yaml
    ! grep -i memory compiled || exit 1
    echo "$quantity $(memory out/infra.yaml) $(env/bin/infra cost shop.infra | grep -E ' shop ' | grep -oE '[0-9]+\.[0-9]+' | sed -n 2p)"
done | tee answers
env/bin/infra validate shop.infra | tee validated
! grep -i memory validated || exit 1
env/bin/infra compile shop.infra -t helm -o chart >/dev/null
echo "chart $(memory chart/shop/values.yaml)" | tee -a answers
env/bin/infra compile shop.infra -t compose -o compose >/dev/null
grep -q 'GOMEMLIMIT: 460MiB' compose/docker-compose.yml
! grep -E 'mem_limit|limits|cpus' compose/docker-compose.yml || exit 1
diff answers - <<'END'
1536Mi 1536Mi 3.00
1.5Gi 1Gi 3.00
0.75Gi 0Gi 1.50
chart 0Gi
END
