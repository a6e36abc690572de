#!/usr/bin/env bash
# rotel 0.0.1a15 (PyPI), an OpenTelemetry collector in Rust: metrics in OTLP's JSON, written by the official package of its messages.
#
# Behaviour: a request in JSON is answered with 200 and handed on with all names, units, resources and times. Of values only those that are no whole numbers arrive. A
# point with an integer, which the protocol's JSON writes as a string ("asInt": "3"), arrives without its number; a histogram, whose counts are such integers, without
# its points. The same request in protobuf is handed on whole.
#
# Seen, of two gauges (0.5 and 3), a sum (4 since its start) and a histogram (2 values):
#   protobuf   200   share gauge 0.5   cpus gauge 3         kills sum 4         waits histogram 2
#   JSON       200   share gauge 0.5   cpus gauge nothing   kills sum nothing   waits nothing
#
# Why it hurts: JSON is what shell scripts and curl send, and a collector's 200 is all that they see. Dashboards then have the series of every count, with all labels, and
# no line in them; that the shares beside them are there makes nobody look at the way in.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check rotel==0.0.1a15 opentelemetry-proto==1.45.2 >/dev/null 2>&1 || exit 77

cat >run.py <<'EOF'
import gzip
import http.server
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

handed_on = []


class Next(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        content = gzip.decompress(content) if self.headers["Content-Encoding"] == "gzip" else content
        handed_on.append(ExportMetricsServiceRequest.FromString(content))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def request():
    message = ExportMetricsServiceRequest()
    metrics = message.resource_metrics.add().scope_metrics.add().metrics
    now = time.time_ns()
    metrics.add(name="share").gauge.data_points.add(time_unix_nano=now, as_double=0.5)
    metrics.add(name="cpus").gauge.data_points.add(time_unix_nano=now, as_int=3)
    kills = metrics.add(name="kills").sum
    kills.aggregation_temporality, kills.is_monotonic = 2, True
    kills.data_points.add(start_time_unix_nano=now - 9, time_unix_nano=now, as_int=4)
    waits = metrics.add(name="waits").histogram
    waits.aggregation_temporality = 2
    waits.data_points.add(start_time_unix_nano=now - 9, time_unix_nano=now, count=2, explicit_bounds=[1.0], bucket_counts=[1, 1])
    return message


def words(metric):
    kind = metric.WhichOneof("data")
    if kind is None:
        return "nothing"
    (point,) = getattr(metric, kind).data_points
    if kind == "histogram":
        return f"{kind} {point.count}"
    value = point.WhichOneof("value")
    return f"{kind} {getattr(point, value):g}" if value else f"{kind} nothing"


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Next)
threading.Thread(target=server.serve_forever, daemon=True).start()
port = free_port()
agent = next(pathlib.Path(sys.prefix).rglob("rotel-agent"))
options = ["--otlp-http-endpoint", f"127.0.0.1:{port}", "--otlp-grpc-endpoint", f"127.0.0.1:{free_port()}", "--pid-file", "pid", "--exporter", "otlp"]
options += ["--otlp-exporter-endpoint", f"http://127.0.0.1:{server.server_port}", "--otlp-exporter-protocol", "http"]
with open("log", "w") as log:
    program = subprocess.Popen([agent, "start", *options], stdout=log, stderr=log)
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.1)
    for kind, content in (("protobuf", request().SerializeToString()), ("JSON", json_format.MessageToJson(request(), use_integers_for_enums=True).encode())):
        handed_on.clear()
        type_ = "application/json" if kind == "JSON" else "application/x-protobuf"
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/metrics", data=content, headers={"Content-Type": type_})
        with urllib.request.urlopen(asked, timeout=20) as answer:
            status = answer.status
        for _ in range(100):
            if handed_on:
                break
            time.sleep(0.1)
        (message,) = handed_on
        print(kind, status, *(f"{metric.name} {words(metric)}" for metric in message.resource_metrics[0].scope_metrics[0].metrics), sep="; ")
finally:
    program.kill()
EOF
venv/bin/python run.py | tee answers
diff answers - <<'EOF'
protobuf; 200; share gauge 0.5; cpus gauge 3; kills sum 4; waits histogram 2
JSON; 200; share gauge 0.5; cpus gauge nothing; kills sum nothing; waits nothing
EOF
