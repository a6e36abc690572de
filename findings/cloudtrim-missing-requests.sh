#!/usr/bin/env bash
# cloudtrim-cli 0.2.1 (PyPI, October 2026), which reads a cluster's numbers from Prometheus 2.53.3 (Debian 13) and writes requests and limits that fit.
#
# Behaviour: a memory request that is not there counts as a request of 0. If the CPU of the same container is to be trimmed, the container's memory is written as well:
# the request is 0Mi and the limit the smallest that the program knows, 16Mi, whatever the container uses. The other way round, without a CPU request, the CPU limit is
# 10m. The limit of a container that has both requests is 1.95 times the 95th percentile, even if it was seen to use more than that.
#
# Seen, of containers that use 600 MiB and 0.1 CPUs all day (what --apply writes: CPU, then memory; request, limit):
#   requests 1 CPU, 2 GiB                           130m 200m   784Mi 1184Mi
#   requests 1 CPU                                  130m 200m   0Mi 16Mi
#   requests 2 GiB                                  0m 10m      784Mi 1184Mi
#   both, and 1800 MiB for an hour of the day       130m 200m   784Mi 1184Mi
#
# Why it hurts: a CPU request alone, with memory left open, is how many write a service whose memory is not known yet. Who takes what is written over has it killed at 16
# MiB, before a Go program has done anything. The report says "over" of such a container, as of any other that asks for too much.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet cloudtrim-cli==0.2.1 || exit 77

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack prometheus=2.53.3+ds1-2 promtool=2.53.3+ds1-2 || exit 77

python3 - >metrics <<'END'
import time

MI = 1 << 20
END = int(time.time()) // 300 * 300
POINTS = range(END - 25 * 3600, END + 1, 60)
SERVICES = {"both": ("cpu", "memory"), "cpu": ("cpu",), "memory": ("memory",), "peak": ("cpu", "memory")}
REQUESTS = {"cpu": 1, "memory": 2048 * MI}


def labels(name):
    return f'namespace="shop",pod="{name}-0",container="{name}"'


lines = ["# TYPE container_memory_working_set_bytes gauge"]
for name in SERVICES:
    for at in POINTS:
        high = name == "peak" and END - 10 * 3600 <= at < END - 9 * 3600
        lines.append(f"container_memory_working_set_bytes{{{labels(name)}}} {(1800 if high else 600) * MI} {at}")
lines.append("# TYPE container_cpu_usage_seconds counter")
for name in SERVICES:
    lines += [f"container_cpu_usage_seconds_total{{{labels(name)}}} {(at - POINTS[0]) // 10} {at}" for at in POINTS]
lines.append("# TYPE kube_pod_container_resource_requests gauge")
for name, resources in SERVICES.items():
    for resource in resources:
        lines += [f'kube_pod_container_resource_requests{{{labels(name)},resource="{resource}"}} {REQUESTS[resource]} {at}' for at in POINTS[-60:]]
print("\n".join([*lines, "# EOF"]))
END
nice -n 10 root/usr/bin/promtool tsdb create-blocks-from openmetrics metrics data >/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo 'global: {}' >prometheus.yml
nice -n 10 root/usr/bin/prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port" 2>log &
server=$!
for _ in $(seq 100); do
    ! python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/-/ready')" 2>/dev/null || break
    sleep 0.2
done
env/bin/cloudtrim --from-prometheus "http://127.0.0.1:$port" --windows 24h --apply >values
sed -nE 's/^    ([a-z]+):$/\n\1/p; s/^        (cpu|memory): "(.*)"$/\2/p' values | awk -v RS= '{print $1 ":", $2, $4, $3, $5}' | tee answers
diff answers - <<'END'
both: 130m 200m 784Mi 1184Mi
cpu: 130m 200m 0Mi 16Mi
memory: 0m 10m 784Mi 1184Mi
peak: 130m 200m 784Mi 1184Mi
END
