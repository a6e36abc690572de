#!/usr/bin/env bash
# docker-autocompose 1.3.0 (PyPI, May 2026) on the Docker API that the podman of this machine speaks: seen with Podman 4.3.1 and runc 1.1.5 (Debian 12).
#
# Behaviour: it writes the compose file of a container that is there. The environment goes along, what was set for the limits does not: memory, CPUs,
# the CPU set, the number of processes, shm_size, oom_score_adj. Of the capabilities those that are dropped go along and those that are added do not;
# a tmpfs is left out. The API states all of them, and nothing is said.
#
# Seen, of `podman create --memory 512m --cpus 1.5 --pids-limit 64 --cpuset-cpus 0 --shm-size 32m --cap-add SYS_PTRACE --cap-drop MKNOD --tmpfs /scratch`
# with GOMEMLIMIT=450MiB and GOMAXPROCS=2:
#   API            Memory 536870912, NanoCpus 1500000000, PidsLimit 64, CpusetCpus 0, ShmSize 33554432, CapAdd SYS_PTRACE
#   compose file   cap_drop, command, environment with both variables, image, logging, ulimits, ...; no limit, no cap_add, no tmpfs
#
# Why it hurts: the service that is made of the file has Go's variables, fitted to limits that are gone: GOMEMLIMIT makes the collector work hard for a
# limit that nobody sets any more, and a program that leaks takes the node's memory. It looks like a container that was tuned with care. Docker
# Compose 2.26.1 refuses the file of a Podman container for two other lines (logging.options, ulimits), so somebody reads and mends it first, and
# has no cause to look for more.
#
# Needs root, podman, runc and curl; the container is made and never started.
# Exit codes: 0 as described, 1 no longer so, 77 the package or a program is not there.
set -euo pipefail
command -v podman >/dev/null && command -v runc >/dev/null && command -v curl >/dev/null || exit 77
work=$(mktemp -d)
trap '[ -z "${service-}" ] || kill "$service" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet docker-autocompose==1.3.0 || exit 77
podman=(podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --storage-driver vfs --events-backend file --cgroup-manager cgroupfs
    --runtime runc)
podman --version

mkdir rootfs
touch rootfs/shop
tar -C rootfs -cf image.tar .
"${podman[@]}" import -q image.tar localhost/shop:1 >/dev/null
"${podman[@]}" create --name shop --network none --memory 512m --cpus 1.5 --pids-limit 64 --cpuset-cpus 0 --shm-size 32m --oom-score-adj 300 \
    --cap-add SYS_PTRACE --cap-drop MKNOD --tmpfs /scratch --env GOMEMLIMIT=450MiB --env GOMAXPROCS=2 localhost/shop:1 /shop >/dev/null
"${podman[@]}" system service --time 60 "unix://$work/api" >/dev/null 2>&1 &
service=$!
for _ in {1..100}; do [ ! -S api ] || break && sleep 0.1; done

curl -sS --unix-socket api http://local/v1.41/containers/shop/json >api.json
python3 - <<'EOF' | tee answers
import json

host = json.load(open("api.json"))["HostConfig"]
print(*(f"{key} {host[key]}" for key in ("Memory", "NanoCpus", "PidsLimit", "CpusetCpus", "ShmSize", "OomScoreAdj", "CapAdd")), sep=", ")
EOF
DOCKER_HOST=unix://$work/api env/bin/autocompose shop >compose.yaml
cat compose.yaml
grep -oE '"(GO[A-Z]+=.*|MKNOD)"' compose.yaml | LC_ALL=C sort >>answers # Podman keeps variables in no order
sed -nE 's/^    ([a-z_]+):.*/\1/p' compose.yaml | grep -E '^(mem|cpu|pids|shm|oom|cap|tmpfs|deploy)' >>answers
diff answers - <<'EOF'
Memory 536870912, NanoCpus 1500000000, PidsLimit 64, CpusetCpus 0, ShmSize 33554432, OomScoreAdj 300, CapAdd ['SYS_PTRACE']
"GOMAXPROCS=2"
"GOMEMLIMIT=450MiB"
"MKNOD"
cap_drop
EOF
