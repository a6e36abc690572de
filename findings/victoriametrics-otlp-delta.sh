#!/usr/bin/env bash
# VictoriaMetrics 1.112.0 (Debian 13), fed by OpenTelemetry for Python 1.45.2 (PyPI) over OTLP.
#
# Behaviour: whatever OpenTelemetry sends as a difference ("delta") is left out, and the answer is 200 without the word that the protocol has for points that were not
# taken; the log names some of them, a few of many. In OpenTelemetry's mode `lowmemory` that is every counter and every histogram, while gauges and what is read by a
# callback arrive. An exponential histogram of negative values arrives with positive ones, upside down. A gauge's point without a number is a 0.
#
# Seen, of a counter at 5, a callback's counter at 7, a gauge at 9 and a histogram of 2 values, by OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE:
#   cumulative   answered 200   done 5, read 7, size 9, took 2
#   lowmemory    answered 200   read 7, size 9
#   delta        answered 200   size 9
# and of two points that were written by hand (as JSON they are refused, with 400):
#   exponential buckets of two values between -1.189 and -1        one from 0.8409 to 1
#   a gauge without a number                                       0
#
# (1.145.0, Debian unstable, was seen to keep differences as if they were totals: a counter that grows by 5 each time is 5 for ever, and its rate 0.)
#
# Why it hurts: lowmemory is the setting for small containers, and what is left of a service looks like a whole: its gauges move, no export fails. `rate(...) > 0` on what
# is not there says nothing, so alerts on errors are silent.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2 || exit 77

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
nice -n 10 root/usr/bin/victoria-metrics -storageDataPath="$work/data" -httpListenAddr="127.0.0.1:$port" -memory.allowedBytes=128MB -search.latencyOffset=0s >log 2>&1 &
server=$!

cat >send.py <<'EOF'
import http.server
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request

from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

BASE, MODES = sys.argv[1], ("cumulative", "lowmemory", "delta")


def ask(path, data=None, kind="application/x-protobuf"):
    with urllib.request.urlopen(urllib.request.Request(BASE + path, data, {"Content-Type": kind}), timeout=10) as answer:
        return answer.status, answer.read()


for _ in range(100):
    try:
        ask("/health")
        break
    except OSError:
        time.sleep(0.2)
answers = {mode: set() for mode in MODES}


class Between(http.server.BaseHTTPRequestHandler):
    """Hands on what comes for /MODE, and notes the answer."""

    def do_POST(self):
        status, content = ask("/opentelemetry/v1/metrics", self.rfile.read(int(self.headers["Content-Length"])))
        answers[self.path[1:]].add((status, ExportMetricsServiceResponse.FromString(content).HasField("partial_success")))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


between = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Between)
threading.Thread(target=between.serve_forever, daemon=True).start()
for mode in MODES:
    os.environ["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] = mode
    exporter = OTLPMetricExporter(f"http://127.0.0.1:{between.server_port}/{mode}")
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], resource=Resource({"mode": mode}))
    meter = provider.get_meter("shop")
    meter.create_counter("done").add(5)
    meter.create_observable_counter("read", [lambda _: [Observation(7)]])
    meter.create_gauge("size").set(9)
    took = meter.create_histogram("took")
    took.record(3)
    took.record(4)
    provider.force_flush()

message = ExportMetricsServiceRequest()
metrics = message.resource_metrics.add().scope_metrics.add().metrics
now = time.time_ns()
below = metrics.add(name="below").exponential_histogram
below.aggregation_temporality = 2
below.data_points.add(start_time_unix_nano=now - 9, time_unix_nano=now, count=2, sum=-2.2, scale=2).negative.bucket_counts.extend([2])
metrics.add(name="nothing").gauge.data_points.add(time_unix_nano=now)
by_hand, _ = ask("/opentelemetry/v1/metrics", message.SerializeToString())
try:
    as_json, _ = ask("/opentelemetry/v1/metrics", json_format.MessageToJson(message).encode(), "application/json")
except urllib.error.HTTPError as error:
    as_json = error.code

ask("/internal/force_flush")
time.sleep(1)
_, content = ask("/api/v1/query?query=" + urllib.request.quote('{__name__!=""}'))
rows = json.loads(content)["data"]["result"]
for mode in MODES:
    own = {row["metric"]["__name__"].removesuffix("_count"): row["value"][1] for row in rows if row["metric"].get("mode") == mode}
    print(mode, *sorted(answers[mode]), *(f"{name} {own[name]}" for name in ("done", "read", "size", "took") if name in own), sep="; ")
lows = [row["metric"]["vmrange"] for row in rows if row["metric"]["__name__"] == "below_bucket"]
(nothing,) = (row["value"][1] for row in rows if row["metric"]["__name__"] == "nothing")
print("by hand", by_hand, as_json, *lows, nothing, sep="; ")
EOF
env/bin/python send.py "http://127.0.0.1:$port" | tee answers
diff answers - <<'EOF'
cumulative; (200, False); done 5; read 7; size 9; took 2
lowmemory; (200, False); read 7; size 9
delta; (200, False); size 9
by hand; 200; 400; 8.409e-01...1.000e+00; 0
EOF
