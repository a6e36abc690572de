#!/usr/bin/env bash
# VictoriaMetrics 1.112.0 (Debian 13; 1.145.0 of Debian unstable was seen to do the same).
#
# Behaviour: the Prometheus client of Go states "GOGC is off" as 1.8446744073709552e+19. One such sample changes the samples beside it in the same
# series, those before it as well: they lose their last digit. Values are stored with one decimal exponent for a whole block, and the big
# one leaves no room. A series without such a sample is exact.
#
# Seen, written and read back:
#   go_gc_gogc_percent      75 75 off 75 33 5                     ->  70 70 off 70 30 0
#   go_gc_gogc_percent      75 75 75 75                           ->  75 75 75 75
#   go_gc_gomemlimit_bytes  9.223372036854775807e+18 536870912    ->  9223372036854774784 536870912
#   and "off" itself comes back as 18446744073709548000, another number than was written
#
# Why it hurts: a program that switches its collector off for a moment (a batch job, a cache that loads, a restart with other settings under the
# same labels) makes GOGC=75 read as 70, and GOGC=5 as 0, which looks like a program that collects without pause. What a dashboard showed
# yesterday is another number today. `== 2^63` for "no memory limit" holds until a limit is set, and then no longer for the past.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack victoria-metrics=1.112.0+ds1-2 || exit 77

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
nice -n 10 root/usr/bin/victoria-metrics -storageDataPath="$work/data" -httpListenAddr="127.0.0.1:$port" -memory.allowedBytes=128MB >log 2>&1 &
server=$!
python3 - "http://127.0.0.1:$port" <<'EOF'
import json, sys, time, urllib.request

BASE = sys.argv[1]
START = int(time.time()) - 3600
OFF, UNSET = "1.8446744073709552e+19", "9.223372036854775807e+18"
WRITTEN = {
    'go_gc_gogc_percent{pod="a"}': ["75", "75", OFF, "75", "33", "5"],
    'go_gc_gogc_percent{pod="b"}': ["75", "75", "75", "75"],
    'go_gc_gomemlimit_bytes{pod="a"}': [UNSET, UNSET],
    'go_gc_gomemlimit_bytes{pod="b"}': [UNSET, "536870912"],
}
SEEN = {
    'go_gc_gogc_percent{pod="a"}': [70, 70, 18446744073709548000, 70, 30, 0],
    'go_gc_gogc_percent{pod="b"}': [75, 75, 75, 75],
    'go_gc_gomemlimit_bytes{pod="a"}': [9223372036854775807, 9223372036854775807],
    'go_gc_gomemlimit_bytes{pod="b"}': [9223372036854774784, 536870912],
}

def ask(path, data=None):
    return urllib.request.urlopen(BASE + path, data, timeout=10).read().decode()

for _ in range(100):
    try:
        ask("/health")
        break
    except OSError:
        time.sleep(0.2)
lines = [f"{name} {value} {START + 60 * i}000" for name, values in WRITTEN.items() for i, value in enumerate(values)]
ask("/api/v1/import/prometheus", ("\n".join(lines) + "\n").encode())
ask("/internal/force_flush")
time.sleep(1)
found = {}
for line in ask("/api/v1/export?match[]=" + urllib.request.quote('{__name__=~"go_gc_.*"}')).splitlines():
    row = json.loads(line)
    found[f'{row["metric"]["__name__"]}{{pod="{row["metric"]["pod"]}"}}'] = row["values"]
for name in WRITTEN:
    print(name, " ".join(WRITTEN[name]), "->", *found[name])
raise SystemExit(any([float(v) for v in found[name]] != [float(v) for v in SEEN[name]] for name in SEEN))
EOF
