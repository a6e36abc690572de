#!/usr/bin/env bash
# pamone-obs 0.1.1 (PyPI, October 2026): a container's own metrics, from its own cgroup.
#
# Behaviour: its container_memory_working_set_bytes has the name of the metric that kubelet and cAdvisor have, and another meaning: it leaves out the whole
# of `file` in memory.stat, not `inactive_file`. Kernels count tmpfs and shared memory (`shmem`) under `file`, so those go as well,
# though they cannot be given back. And `cpu.stat` is told without the throttling that stands three lines further down in it.
#
# Seen, in a container with a limit of 1 GiB that holds 64 MiB by itself and 900 MiB in a tmpfs (an emptyDir with medium: Memory):
#   container_memory_current_bytes       1010827264
#   container_memory_working_set_bytes   67108864     cAdvisor's metric of that name: 1010827264
#   container_memory_limit_bytes         1073741824
#
# Why it hurts: without swap this container is killed 60 MiB further on, and the ratio of working set to limit, which alerts and sizing go by, is 6
# percent instead of 94. Rules and dashboards that were written for the other metric fit this one by name.
#
# The files of the cgroup are read from a folder that PAMONE_CGROUP_ROOT names. Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet pamone-obs==0.1.1 || exit 77

mkdir group
echo 1010827264 >group/memory.current
echo 1073741824 >group/memory.max
cat >group/memory.stat <<'EOF'
anon 67108864
file 943718400
shmem 943718400
inactive_anon 943718400
active_anon 67108864
inactive_file 0
active_file 0
EOF
cat >group/cpu.stat <<'EOF'
usage_usec 5000000
user_usec 4000000
system_usec 1000000
nr_periods 50
nr_throttled 49
throttled_usec 2500000
EOF
PAMONE_CGROUP_ROOT=group PAMONE_NET_DEV=/dev/null env/bin/python - <<'EOF' | tee answers
from pamone_obs.metrics import collect

for row in collect():
    print(row["metric"], row["value"])
EOF
diff answers - <<'EOF'
container_cpu_usage_usec_total 5000000
container_memory_current_bytes 1010827264
container_memory_working_set_bytes 67108864
container_memory_rss_bytes 67108864
container_memory_limit_bytes 1073741824
EOF
