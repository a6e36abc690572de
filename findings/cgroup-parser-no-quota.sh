#!/usr/bin/env bash
# cgroup-parser 0.0.2 (PyPI): how many CPUs a container may use, to size pools of workers with.
#
# Behaviour: without a CPU quota the answer is 1, on a machine of any size. The reader of the quota says "undefined" by a second value, the caller above
# it drops that value and says "defined", and the quota of -1 CPUs is then raised to the least that is allowed, 1. The package's own
# fallback, the machine's CPUs, is reached by no path. So the same happens on cgroup v2, which it does not read: any limit there is 1 CPU as well.
#
# Seen on a machine with 2 CPUs, in a cgroup without a quota:
#   get_max_procs()   1
#   cpu_count()       2, what get_max_procs() is said to fall back to
#
# Why it hurts: the container that was given no limit, to be fast, is the one that runs with one worker. With a quota of 4 CPUs the answer is 4, so a test
# under a limit shows nothing.
#
# Needs two CPUs or more, and no CPU quota on the shell that runs it.
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had, or this machine cannot show it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
[ "$(getconf _NPROCESSORS_ONLN)" -ge 2 ] || exit 77
quota=$(cat "$(awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ {print $2; exit}' /proc/self/mounts)$(awk -F: '$2 ~ /(^|,)cpu(,|$)/ {print $3}' \
    /proc/self/cgroup)/cpu.cfs_quota_us" 2>/dev/null || echo -1)
[ "$quota" = -1 ] || exit 77
python3 -m venv env
env/bin/pip install --quiet cgroup-parser==0.0.2 || exit 77

env/bin/python - <<'EOF'
from cgroup_parser.utils import cpu_count, get_max_procs

print("get_max_procs()  ", get_max_procs())
print("cpu_count()      ", cpu_count())
raise SystemExit(not (get_max_procs() == 1 < cpu_count()))
EOF
