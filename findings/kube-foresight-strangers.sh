#!/usr/bin/env bash
# kube-foresight 0.3.1 (PyPI, June 2026), which writes patches for requests and limits from what Prometheus 2.53.3 (Debian 13) knows of a namespace.
#
# Behaviour: the numbers of a patch are not those of the container that it names.
#   - The containers of a pod are one heap of samples. The patch names one of them, and which one follows from the seed of Python's hashes, so from
#     nothing that the user sees.
#   - A pod belongs to a Deployment by its name alone: shop-db-0 of the StatefulSet shop-db counts as a replica of the Deployment shop.
#   - A container that was started again has two series of cAdvisor, with two ids. One is kept, the one whose id sorts last.
#
# Seen, of a Deployment shop whose container uses 900 MiB all day (requests and limits of memory as in the patch, of eight runs):
#   alone                                    shop 1080Mi 1620Mi
#   beside a proxy that uses 40 MiB          shop 1080Mi 1620Mi, or proxy 1080Mi 1620Mi
#   beside the pod shop-db-0, of 3000 MiB    shop 3600Mi 5400Mi, or a Deployment shop with a container db, 4Gi 4Gi
#   killed at 1000 MiB, then 100 MiB         shop 1199Mi 1798Mi, or shop 120Mi 180Mi if the new container's id sorts last
#
# Why it hurts: the last line is a Go service that was killed for its memory. Ids of containers are random, so one of two such services is told to
# live with a ninth of what it used. The patch of the proxy asks for a gigabyte that only shop needs. A second run may say something else, so a
# look at one patch shows nothing.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet kube-foresight==0.3.1 || exit 77

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
POINTS = range(END - 24 * 3600, END + 1, 60)  # a day, every minute
SHOP = "shop-6d5f8c6b9-xk2pq"
# namespace, pod, container, id of this life of the container, MiB by the hours until now
LIVES = [
    ("alone", SHOP, "shop", "c3", lambda hours: 900),
    ("sidecar", SHOP, "shop", "c3", lambda hours: 900),
    ("sidecar", SHOP, "proxy", "d4", lambda hours: 40),
    ("stateful", SHOP, "shop", "c3", lambda hours: 900),
    ("stateful", "shop-db-0", "db", "e5", lambda hours: 3000),
    ("killed-1", SHOP, "shop", "f1", lambda hours: 900 + 5 * (24 - hours) if hours > 4 else None),
    ("killed-1", SHOP, "shop", "0a", lambda hours: 100 if hours <= 4 else None),
    ("killed-2", SHOP, "shop", "0a", lambda hours: 900 + 5 * (24 - hours) if hours > 4 else None),
    ("killed-2", SHOP, "shop", "f1", lambda hours: 100 if hours <= 4 else None),
]
REQUESTS = {"shop": (1, 1024 * MI), "proxy": (0.1, 128 * MI), "db": (1, 4096 * MI)}
lines = ["# TYPE container_memory_working_set_bytes gauge"]
cpu = ["# TYPE container_cpu_usage_seconds counter"]
for space, pod, name, life, memory in LIVES:
    labels = f'namespace="{space}",pod="{pod}",container="{name}",id="/kubepods/pod7/cri-{life}"'
    for at in POINTS:
        if (used := memory((END - at) / 3600)) is not None:
            lines.append(f"container_memory_working_set_bytes{{{labels}}} {used * MI} {at}")
            cpu.append(f"container_cpu_usage_seconds_total{{{labels}}} {(at - POINTS[0]) * 0.02:.1f} {at}")
lines += cpu
for kind in "requests", "limits":
    lines.append(f"# TYPE kube_pod_container_resource_{kind} gauge")
    for space, pod, name in dict.fromkeys(life[:3] for life in LIVES):
        for resource, value in zip(("cpu", "memory"), REQUESTS[name]):
            labels = f'namespace="{space}",pod="{pod}",container="{name}",resource="{resource}"'
            lines += [f"kube_pod_container_resource_{kind}{{{labels}}} {value} {at}" for at in POINTS[-60:]]
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
patches() { # NAMESPACE RUNS: what the patches name (the Deployment, the container), and its request and limit of memory
    local seed
    for seed in $(seq "$2"); do
        rm -rf patches
        PYTHONHASHSEED=$seed nice -n 10 env/bin/kube-foresight patch -n "$1" -p "http://127.0.0.1:$port" --lookback 24 >/dev/null
        echo "$1:" $(grep -ohE '(name|memory): .*' patches/* | sed 's/.*: //')
    done | sort -u
}
for run in 'alone 4' 'sidecar 8' 'stateful 8' 'killed-1 1' 'killed-2 1'; do
    patches $run
done | tee answers
diff answers - <<'END'
alone: shop shop 1080Mi 1620Mi
sidecar: shop proxy 1080Mi 1620Mi
sidecar: shop shop 1080Mi 1620Mi
stateful: shop db 4Gi 4Gi
stateful: shop shop 3600Mi 5400Mi
killed-1: shop shop 1199Mi 1798Mi
killed-2: shop shop 120Mi 180Mi
END
