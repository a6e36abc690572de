#!/usr/bin/env bash
# oscontainer 1.0.2 (PyPI): the limits of one's own container, by the algorithm of the JVM.
#
# Behaviour: on cgroup v1 a memory limit that an ancestor has is in memory.stat of each cgroup below it (hierarchical_memory_limit). The package reads it, if
# the hierarchy is in force. But its constructor first finds that out, by what it calls in the base class, and then sets the answer to False.
# So that code never runs, and only the cgroup's own limit counts.
#
# Seen in a cgroup without a limit, below one of 256 MiB:
#   memory.use_hierarchy                 1
#   hierarchical_memory_limit            268435456
#   OSContainer().memory_limit_in_bytes  -1, which stands for no limit
#
# Why it hurts: pods with limits for the whole pod, `docker run --cgroup-parent`, systemd slices: there the limit is the parent's. A program that sizes its
# heap by this answer takes the machine's memory and is killed at 256 MiB.
#
# Needs root and cgroup v1 with the memory controller; it makes two cgroups and removes them.
# Exit codes: 0 as described, 1 no longer so, 77 the package or the hierarchy could not be had.
set -euo pipefail
work=$(mktemp -d)
memory=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ {print $2; exit}' /proc/self/mounts)
group=$memory/findings-$$
trap 'rmdir "$group/container" "$group" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
[ -n "$memory" ] && mkdir -p "$group/container" || exit 77
python3 -m venv env
env/bin/pip install --quiet oscontainer==1.0.2 || exit 77
echo 256M >"$group/memory.limit_in_bytes"

cat >ask.py <<'EOF'
from oscontainer import OSContainer

folder = OSContainer().cgroup_subsystem.memory.subsystem_path
with open(f"{folder}/memory.use_hierarchy") as file:
    inherits = int(file.read())
with open(f"{folder}/memory.stat") as file:
    there = dict(line.split() for line in file)["hierarchical_memory_limit"]
told = OSContainer().memory_limit_in_bytes()
print("memory.use_hierarchy                ", inherits)
print("hierarchical_memory_limit           ", there)
print("OSContainer().memory_limit_in_bytes ", told)
raise SystemExit((inherits, there, told) != (1, str(256 << 20), -1))
EOF
(echo $BASHPID >"$group/container/cgroup.procs" && exec env/bin/python ask.py)
