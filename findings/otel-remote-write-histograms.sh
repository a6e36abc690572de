#!/usr/bin/env bash
# opentelemetry-exporter-prometheus-remote-write 0.66b1 (PyPI, October 2026) with opentelemetry-sdk 1.45.1, into Prometheus 2.53.3 (Debian 13).
#
# Behaviour: OpenTelemetry counts each bucket of a histogram by itself, Prometheus counts it with all below it. The exporter sends the counts as they are, so
# le="+Inf" is 0 beside a count of 100. The series are called wait_ms, not wait_ms_bucket. A bound of 0, the first of OpenTelemetry's own bounds,
# is taken for no bound: that bucket has no `le` at all, and looks like a gauge with the name of the histogram.
#
# Seen, of 100 waits: 50 of 0 ms, 30 of 3 ms, 15 of 20 ms and 5 of 400 ms
#   wait_ms, by le                                none: 50, 5.0: 30, 10.0: 0, 25.0: 15, 50.0: 0, ... 500.0: 5, ... +Inf: 0
#   wait_ms_count, wait_ms_sum                    100, 2390, as they should be
#   histogram_quantile(0.99, wait_ms_bucket)      nothing
#   histogram_quantile(0.99, wait_ms)             4.95; the true one is 400 (Prometheus warns beside the number)
#   histogram_quantile(0.5, wait_ms)              2.5; the true one is 0
#
# Why it hurts: the dashboard that serves the Go services of the same mesh is empty for this one. Who finds the series under the other name gets a number
# that is the slowest wait of the fullest bucket, whatever happens above it. Count and sum are right, so the mean speaks for the histogram.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet opentelemetry-exporter-prometheus-remote-write==0.66b1 opentelemetry-sdk==1.45.1 || exit 77

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack prometheus=2.53.3+ds1-2 || exit 77

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
echo 'global: {}' >prometheus.yml
nice -n 10 root/usr/bin/prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address="127.0.0.1:$port" \
    --web.enable-remote-write-receiver 2>log &
server=$!
env/bin/python - "http://127.0.0.1:$port" <<'END'
import json, sys, time, urllib.parse, urllib.request
from opentelemetry.exporter.prometheus_remote_write import PrometheusRemoteWriteMetricsExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

base = sys.argv[1]
for _ in range(100):
    try:
        urllib.request.urlopen(base + "/-/ready")
        break
    except OSError:
        time.sleep(0.2)
reader = PeriodicExportingMetricReader(PrometheusRemoteWriteMetricsExporter(base + "/api/v1/write"), 3_600_000)
meter = MeterProvider([reader]).get_meter("shop")
wait = meter.create_histogram("wait", unit="ms")
for value in [0.0] * 50 + [3.0] * 30 + [20.0] * 15 + [400.0] * 5:
    wait.record(value)
reader.force_flush()
time.sleep(1)

def ask(query):
    return json.load(urllib.request.urlopen(base + "/api/v1/query?" + urllib.parse.urlencode({"query": query})))["data"]["result"]

counts = {row["metric"].get("le"): float(row["value"][1]) for row in ask("wait_ms")}
print("wait_ms by le:", counts)
totals = [float(ask(name)[0]["value"][1]) for name in ("wait_ms_count", "wait_ms_sum")]
print("count and sum:", *totals)
asked = {"0.99, wait_ms_bucket": [], "0.99, wait_ms": [4.95], "0.5, wait_ms": [2.5]}
found = {what: [float(row["value"][1]) for row in ask(f"histogram_quantile({what})")] for what in asked}
print("histogram_quantile:", found)
filled = {le: count for le, count in counts.items() if count}
raise SystemExit(not (filled == {None: 50, "5.0": 30, "25.0": 15, "500.0": 5} and counts["+Inf"] == 0 and totals == [100, 2390] and found == asked))
END
