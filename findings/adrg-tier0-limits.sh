#!/usr/bin/env bash
# adrg 1.1.2 (PyPI, March 2026), a daemon that puts Docker's containers into tiers and writes their cgroups (v2).
#
# Behaviour: at its start it writes "max" into cpu.max of every container that is in a tier, and into memory.max and memory.high of those whose
# tier names no memory. That is the limit that `docker run --memory --cpus` had set. At its stop it does the same again, as "cleanup". A tier has no
# setting for a CPU limit, so no tier keeps one.
#
# Seen, of two containers with 512 MiB and two CPUs, and the tiers of its own manual:
#   tier 0, "Core Infra", "Never touched. Ever."      memory.max 536870912 -> max          cpu.max 200000 100000 -> max 100000
#   tier 1, memory_max: "4G"                          memory.max 536870912 -> 4294967296   cpu.max 200000 100000 -> max 100000
#   in no tier                                        memory.max 536870912                 cpu.max 200000 100000
#
# Why it hurts: the containers that matter most are those whose limits go, and Docker, which keeps its settings elsewhere, goes on telling them. A Go
# program of 1.25 or later asks for its CPU limit again while it runs, and takes all CPUs of the machine from then on; a GOMEMLIMIT that was
# made from the 512 MiB stays.
#
# The cgroups here are folders of plain files, as the package writes them by path: so what is seen is what it asks of the kernel.
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet adrg==1.1.2 || exit 77

cat >config.yaml <<END
general:
  state_file: $work/state.json
tiers:
  0:
    name: "Core Infra"           # Never touched. Ever.
    containers: ["proxy"]
    cpu_weight: 1000
    io_weight: 1000
  1:
    name: "Interactive"          # High priority. Protected during pressure.
    containers: ["shop"]
    cpu_weight: 800
    io_weight: 800
    memory_high: "3G"
    memory_max: "4G"
END
for id in proxy shop stranger; do
    mkdir -p "docker/$id"
    echo 536870912 >"docker/$id/memory.max"
    echo max >"docker/$id/memory.high"
    echo 200000 100000 >"docker/$id/cpu.max"
done
env/bin/python - <<'END' 2>log
from pathlib import Path

import adrg
from modules import cgroup
from modules.docker_control import ContainerInfo

cgroup.CGROUP_BASE = Path.cwd()
governor = adrg.Governor(adrg.load_config("config.yaml"), "config.yaml")
governor.apply_baselines({name: ContainerInfo(name, name, "running", 0) for name in ("proxy", "shop", "stranger")})
END
for id in proxy shop stranger; do
    echo "$id: memory.max $(cat "docker/$id/memory.max"), memory.high $(cat "docker/$id/memory.high"), cpu.max $(cat "docker/$id/cpu.max")"
done | tee answers
diff answers - <<'END'
proxy: memory.max max, memory.high max, cpu.max max 100000
shop: memory.max 4294967296, memory.high 3221225472, cpu.max max 100000
stranger: memory.max 536870912, memory.high max, cpu.max 200000 100000
END
