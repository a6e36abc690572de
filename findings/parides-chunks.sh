#!/usr/bin/env bash
# parides 0.7.3 (PyPI, March 2026), which writes what Prometheus knows into a CSV file; the answers are those of Prometheus 2.53.3 (Debian 13).
#
# Behaviour: it asks for six hours at a time, writes the columns of the first six as the head of the file, and appends those of the next without looking
# at their names. After a rollout the pods are others, so the values of the new pods stand under the names of the old ones. The moment between two
# chunks is in both, so its row is there twice.
#
# Seen, of twelve hours of memory of a Deployment with two pods, and a rollout after four (MiB):
#   column of      true, then after the rollout    in the file until 4 h    5 h to 6 h    from 6 h on
#   old pod 1      300, gone                       300                      empty         700
#   old pod 2      400, gone                       400                      empty         800
#   new pod 1      not there, 700                  empty                    700           no field
#   new pod 2      not there, 800                  empty                    800           no field
#   rows           721                             722, with that of the sixth hour twice
#
# Why it hurts: the file is made to compute with, and tells of the version that was replaced what is true of the one that replaced it. pandas reads the
# short rows without a word. If the names of the new pods sort before those of the old ones, the same file is right, so a trial may show nothing.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet parides==0.7.3 || exit 77

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

start=$(($(date +%s) / 86400 * 86400 - 86400)) # yesterday, midnight
python3 - "$start" >metrics <<'END'
import sys

START = int(sys.argv[1])
print("# TYPE container_memory_working_set_bytes gauge")
for pod, mib, first, last in ("58c-a", 300, 0, 239), ("58c-b", 400, 0, 239), ("7d9-a", 700, 240, 720), ("7d9-b", 800, 240, 720):
    for minute in range(first, last + 1):
        print(f'container_memory_working_set_bytes{{pod="shop-{pod}"}} {mib << 20} {START + 60 * minute}')
print("# EOF")
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
nice -n 10 env/bin/parides "http://127.0.0.1:$port" container_memory_working_set_bytes -r 1m -s "$(date -u -d "@$start" +%FT%TZ)" \
    -e "$(date -u -d "@$((start + 43200))" +%FT%TZ)" -o out
env/bin/python - out/*.csv <<'END'
import sys

import pandas

table = pandas.read_csv(sys.argv[1])
pods = [column for column in table if "shop-" in column]
hour = pandas.to_datetime(table["time"]).dt.hour
found = {}
for pod in pods:
    parts = (table[pod][hour < 4], table[pod][hour == 5], table[pod][hour > 6])
    found[pod.rpartition("shop-")[2]] = [part.dropna().mean() / 2**20 if part.notna().any() else None for part in parts]
print(*found.items(), f"{len(table)} rows", sep="\n")
raise SystemExit(
    found != {"58c-a": [300, None, 700], "58c-b": [400, None, 800], "7d9-a": [None, 700, None], "7d9-b": [None, 800, None]} or len(table) != 722
)
END
