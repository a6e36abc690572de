#!/usr/bin/env bash
# limitwarden 0.1.0 (PyPI, October 2025), which gives Kubernetes manifests the limits that they lack.
#
# Behaviour: a container that has limits and no requests, or the other way round, counts as one without limits, and all that it has is replaced by the default, a quarter
# of a GiB and a fifth of a CPU. Kubernetes itself makes requests of such limits. A CronJob that has nothing is passed: its containers are looked for where a Job has them.
#
# Seen, of `limitwarden patch` (limits of CPU and memory):
#   StatefulSet, limits 4 CPUs and 4Gi            becomes 200m 256Mi
#   Pod, requests 2 CPUs and 6Gi                  becomes 200m 256Mi
#   Deployment, limits and requests of memory     unchanged, none of the CPU
#   Deployment, neither                           becomes 200m 256Mi
#   CronJob, neither                              unchanged, none
#
# Why it hurts: limits alone is the shortest way to a pod of the class Guaranteed, so the containers that lose theirs are those that somebody had sized. A Go program
# with GOMEMLIMIT=3600MiB beside its 4Gi keeps the variable and is killed at 256 MiB, without one collection that the limit would have asked for.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet limitwarden==0.1.0 kubernetes==37.0.2 || exit 77

cat >config <<'EOF'
apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
EOF
mkdir manifests
env/bin/python - <<'EOF'
import yaml

FOUND = {
    "StatefulSet": {"limits": {"cpu": 4, "memory": "4Gi"}},
    "Pod": {"requests": {"cpu": 2, "memory": "6Gi"}},
    "Deployment": {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}},
    "Deployment-2": None,
    "CronJob": None,
}
for name, resources in FOUND.items():
    container = {"name": "shop", "image": "shop:1", "env": [{"name": "GOMEMLIMIT", "value": "3600MiB"}]}
    if resources:
        container["resources"] = resources
    kind, pod = name.split("-")[0], {"containers": [container]}
    template, labels = {"metadata": {"labels": {"app": "shop"}}, "spec": pod}, {"matchLabels": {"app": "shop"}}
    spec = {
        "Pod": pod,
        "CronJob": {"schedule": "0 4 * * *", "jobTemplate": {"spec": {"template": template}}},
    }.get(kind, {"selector": labels, "template": template})
    version = {"Pod": "v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    with open(f"manifests/{name}.yaml", "w") as file:
        yaml.safe_dump({"apiVersion": version, "kind": kind, "metadata": {"name": "shop"}, "spec": spec}, file)
EOF
KUBECONFIG=$work/config env/bin/limitwarden patch manifests >log 2>&1
for name in StatefulSet Pod Deployment Deployment-2 CronJob; do
    env/bin/python - "$name" <<'EOF'
import sys

import yaml

with open(f"manifests/{sys.argv[1]}.yaml") as file:
    spec = yaml.safe_load(file)["spec"]
while "containers" not in spec:
    spec = spec.get("jobTemplate") or spec.get("template") or spec["spec"]
(container,) = spec["containers"]
limits = container.get("resources", {}).get("limits", {})
print(sys.argv[1], limits.get("cpu", "none"), limits.get("memory", "none"), *(one["value"] for one in container["env"]))
EOF
done | tee answers
diff answers - <<'EOF'
StatefulSet 200m 256Mi 3600MiB
Pod 200m 256Mi 3600MiB
Deployment none 1Gi 3600MiB
Deployment-2 200m 256Mi 3600MiB
CronJob none none 3600MiB
EOF
