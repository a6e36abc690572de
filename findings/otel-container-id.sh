#!/usr/bin/env bash
# opentelemetry-resource-detector-containerid 0.66b1 (PyPI, October 2026).
#
# Behaviour: the last stretch of hexadecimal letters that stands behind a "-", ":" or "/" and before a "." in a line of /proc/self/cgroup is taken for the
# container's id, however short it is. So processes outside of any container get one, and some inside get a part of theirs.
#
# Seen (a line of /proc/self/cgroup, then container.id):
#   0::/user.slice/user-1000.slice/session-3.scope                             3      (a login by ssh)
#   0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r5ca1....scope   1000   (systemd-run --user: the user's id)
#   0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-term-4242.scope   4242
#   0::/system.slice/cafe.service                                              cafe
#   1:name=systemd:/ecs/0123...cdef/0123...cdef-1234567890                     1234567890   (ECS: the id is the whole last part)
#
# Why it hurts: container.id is a resource attribute, so it goes into every span and metric, and joins them with what the container side knows.
# All sessions number 3 of a fleet become one container; under ECS the task's part of the id is cut off, and the join finds nothing.
#
# The detector reads a file that holds the line, in place of /proc/self/cgroup.
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet opentelemetry-resource-detector-containerid==0.66b1 || exit 77

env/bin/python -W ignore - <<'EOF'
from opentelemetry.resource.detector import containerid

TASK = "0123456789abcdef" * 2
ID = "5ca1ab1e" * 8
SEEN = {
    "0::/user.slice/user-1000.slice/session-3.scope": "3",
    "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e.scope": "1000",
    "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-term-4242.scope": "4242",
    "0::/system.slice/cafe.service": "cafe",
    "0::/system.slice/ssh.service": None,
    f"1:name=systemd:/ecs/{TASK}/{TASK}-1234567890": "1234567890",
    f"0::/system.slice/docker-{ID}.scope": ID,
}
containerid._DEFAULT_CGROUP_V1_PATH = "line"
containerid._DEFAULT_CGROUP_V2_PATH = "/dev/null"
wrong = 0
for line, seen in SEEN.items():
    with open("line", "w") as file:
        file.write(line + "\n")
    found = containerid.ContainerResourceDetector().detect().attributes.get("container.id")
    wrong += found != seen
    print(f"{found or '-':12.12}  {line}")
raise SystemExit(wrong > 0)
EOF
