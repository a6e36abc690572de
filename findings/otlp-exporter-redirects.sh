#!/usr/bin/env bash
# opentelemetry-exporter-otlp-proto-http 1.45.2 (PyPI, 2026), OpenTelemetry's own exporter for Python, with a collector that has moved or refuses a part.
#
# Behaviour: a redirection (here 308, as a proxy answers that wants https or a slash) is not followed, and counts as success: every status below 400 does. A
# collector that takes the request and refuses points of it says so in its answer (partial_success of the protocol, with a count and a reason); nobody reads it.
# Both give MetricExportResult.SUCCESS, and not a line in the log at any level.
#
# Seen, for five points sent to each:
#   308 with a Location    SUCCESS   the place it leads to has got 0 requests   log: nothing
#   200, 5 points refused  SUCCESS   all five are lost                          log: nothing
#   404                    FAILURE                                              log: Failed to export metrics batch code: 404, reason: Not Found
#
# Why it hurts: metrics of limits and kills are missing for weeks, and the side that sends them says that all is well. The protocol asks for both: a client
# should say what a partial success lost, and 3xx is not among the answers that mean it has arrived.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check opentelemetry-exporter-otlp-proto-http==1.45.2 >/dev/null 2>&1 || exit 77

cat >send.py <<'EOF'
import http.server
import logging
import threading
import time

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

arrived = {"/moved/v1/metrics": 0}
refused = ExportMetricsServiceResponse()
refused.partial_success.rejected_data_points = 5
refused.partial_success.error_message = "too many series"


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        arrived[self.path] = arrived.get(self.path, 0) + 1
        status, body = {"/old": (308, b""), "/partly": (200, refused.SerializeToString()), "/gone": (404, b"")}.get(self.path, (200, b""))
        self.send_response(status)
        if status == 308:
            self.send_header("Location", "/moved/v1/metrics")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
said = []


class Keep(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


logger = logging.getLogger("opentelemetry")
logger.addHandler(Keep())
logger.setLevel(logging.DEBUG)
logger.propagate = False
points = [NumberDataPoint({"cpu": str(n)}, 0, time.time_ns(), n) for n in range(5)]
scope = ScopeMetrics(InstrumentationScope("finding"), [Metric("cpus", "how many", "", Gauge(points))], "")
data = MetricsData([ResourceMetrics(Resource({"service.name": "finding"}), [scope], "")])
for path in ("/old", "/partly", "/gone"):
    said.clear()
    exporter = OTLPMetricExporter(endpoint=f"http://127.0.0.1:{server.server_port}{path}")
    print(path, exporter.export(data).name, arrived[path], "; ".join(said) or "nothing")
print("where it leads to", arrived["/moved/v1/metrics"])
EOF
venv/bin/python send.py | tee answers
diff answers - <<'EOF'
/old SUCCESS 1 nothing
/partly SUCCESS 1 nothing
/gone FAILURE 1 Failed to export metrics batch code: 404, reason: Not Found
where it leads to 0
EOF
