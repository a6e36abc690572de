#!/usr/bin/env bash
# helmgen 0.3.0 (PyPI, October 2026): makes a Helm chart from a compose file.
#
# Behaviour: it translates `deploy.resources.limits.cpus` ("1.5" becomes 1500m) and copies `memory` as it stands, though the two
# formats spell sizes differently. The chart is made with a success message.
#
# Seen:
#   compose 512m (512 MiB)  ->  memory: 512m, which is half a byte in Kubernetes: "m" means thousandths there
#   compose 1g              ->  memory: 1g, which is no Kubernetes quantity
#   compose 64kb            ->  memory: 64kb, which is none either
#   no deploy section, but mem_limit: 2g and cpus: 4  ->  the chart's defaults, 1 CPU and 512Mi
#
# Why it hurts: `512m` is the commonest spelling in compose files, and the only one of these that Kubernetes takes: the API server accepts half a
# byte (with a warning), and the pod never starts. The CPU number beside it was translated rightly, so one trusts the pair. A service
# sized by the short keys gets a quarter of its memory, and whatever was computed from 2 GiB, GOMEMLIMIT say, is above the new limit.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet helmgen==0.3.0 || exit 77

cat >compose.yaml <<'EOF'
services:
  half: {image: "a:1", deploy: {resources: {limits: {cpus: "1.5", memory: 512m}}}}
  gig: {image: "a:1", deploy: {resources: {limits: {cpus: "1.5", memory: 1g}}}}
  small: {image: "a:1", deploy: {resources: {limits: {cpus: "1.5", memory: 64kb}}}}
  short: {image: "a:1", cpus: 4, mem_limit: 2g}
EOF
env/bin/helmgen compose.yaml -o chart
env/bin/python - <<'EOF' | tee limits
import yaml
values = yaml.safe_load(open("chart/values.yaml"))
for name, service in values["services"].items():
    limits = service.get("resources", values["resources"])["limits"]
    print(name, limits["cpu"], limits["memory"])
EOF
diff limits - <<'EOF'
half 1500m 512m
gig 1500m 1g
small 1500m 64kb
short 1 512Mi
EOF
