#!/usr/bin/env bash
# OpenTelemetry for Python 1.45.1 (October 2026; 1.45.2 was seen to do the same): its exporter over HTTP with protobuf 6.33.6 and 7.36.2, and its exporter of JSON to a
# file, 0.66b1 (all PyPI).
#
# Behaviour: `gauge.set(True)` is taken, as True is an integer to Python. With protobuf 7 nothing at all is sent while that is its value, no other metric either; with
# protobuf 6, and the same exporter, all arrives. The flush says that it went well, and the log has an error each time. In the file of JSON the value is "asInt":"True",
# and the package of the messages refuses the line.
#
# Seen, of a counter at 5 and a gauge "throttled" set to 1 or to True:
#   protobuf 6.33.6   1      arrived: throttled 1, work 5    flushed: True    the line of JSON: read
#   protobuf 6.33.6   True   arrived: throttled 1, work 5    flushed: True    the line of JSON: refused
#   protobuf 7.36.2   1      arrived: throttled 1, work 5    flushed: True    the line of JSON: read
#   protobuf 7.36.2   True   arrived: nothing                flushed: True    the line of JSON: refused
#
# Why it hurts: "is this throttled", "is this the leader" are gauges that people set to a truth value, often in a branch that is seldom reached. From there on, until
# it gets a number again, the process has no metrics. What changed is neither the program nor OpenTelemetry but a package that came along. An alert on a missing
# series cannot tell it from a process that has ended.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env

cat >measure.py <<'EOF'
import gzip
import http.server
import io
import logging
import threading

import google.protobuf
from google.protobuf import json_format
from opentelemetry.exporter.otlp.json.file.metric_exporter import FileMetricExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

logging.disable()
arrived = []


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        content = gzip.decompress(content) if self.headers["Content-Encoding"] == "gzip" else content
        for metric in ExportMetricsServiceRequest.FromString(content).resource_metrics[0].scope_metrics[0].metrics:
            (point,) = (metric.gauge if metric.HasField("gauge") else metric.sum).data_points
            arrived.append(f"{metric.name} {point.as_int}")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
for value in (1, True):
    arrived.clear()
    file = io.StringIO()
    exporters = OTLPMetricExporter(endpoint=f"http://127.0.0.1:{server.server_port}/v1/metrics"), FileMetricExporter(stream=file)
    provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000) for exporter in exporters])
    meter = provider.get_meter("shop")
    meter.create_counter("work").add(5)
    meter.create_gauge("throttled").set(value)
    flushed = provider.force_flush()
    seen, line = ", ".join(sorted(arrived)) or "nothing", file.getvalue().splitlines()[0]
    provider.shutdown()
    try:
        json_format.Parse(line, ExportMetricsServiceRequest())
        json = "read"
    except json_format.ParseError:
        json = "refused"
    print(google.protobuf.__version__, value, seen, flushed, json, sep="; ")
EOF
for protobuf in 6.33.6 7.36.2; do
    nice -n 10 env/bin/pip install --quiet opentelemetry-sdk==1.45.1 opentelemetry-proto==1.45.1 opentelemetry-exporter-otlp-proto-http==1.45.1 \
        opentelemetry-exporter-otlp-json-file==0.66b1 protobuf==$protobuf || exit 77
    env/bin/python measure.py
done | tee answers
diff answers - <<'EOF'
6.33.6; 1; throttled 1, work 5; True; read
6.33.6; True; throttled 1, work 5; True; refused
7.36.2; 1; throttled 1, work 5; True; read
7.36.2; True; nothing; True; refused
EOF
