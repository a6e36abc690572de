#!/usr/bin/env bash
# @platformatic/promotel 0.2.2 (npm): turns what Prometheus would scrape into OpenTelemetry's metrics.
#
# Behaviour: of a histogram in the text format all bounds are lost. Each bucket replaces the one before, so one bucket without a bound is left, and it holds
# everything. Count and sum are right, so the series look alive. A plain gauge or counter whose name ends in _count, _sum or _bucket loses the
# ending and becomes a histogram, in spite of its TYPE line. A NaN, which is what a Go summary without observations states, is left out.
#
# Seen:
#   go_sched_latencies_seconds: 4 up to 64 ns, 6 up to 1 us, 9 in all   ->  count 9, counts per bucket [9], bounds []
#   app_worker_count 7, a gauge                                         ->  app_worker, a histogram with count 7
#   app_latency{quantile="0.5"} NaN                                     ->  app_latency without quantiles
#
# Why it hurts: Go tells how long goroutines wait for a CPU, and how long its collector stops the program, in histograms alone. The dashboard has their
# count and their mean, so nobody looks for a fault in the bridge; the percentiles, which are what shows throttling, cannot be had.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts @platformatic/promotel@0.2.2 >/dev/null || exit 77

cat >page <<'EOF'
# TYPE go_sched_latencies_seconds histogram
go_sched_latencies_seconds_bucket{le="6.399999999999999e-08"} 4
go_sched_latencies_seconds_bucket{le="1.0239999999999998e-06"} 6
go_sched_latencies_seconds_bucket{le="+Inf"} 9
go_sched_latencies_seconds_sum 0.5
go_sched_latencies_seconds_count 9
# TYPE app_worker_count gauge
app_worker_count 7
# TYPE app_latency summary
app_latency{quantile="0.5"} NaN
app_latency_sum 0
app_latency_count 0
EOF
cat >turn.mjs <<'EOF'
import { readFileSync } from "node:fs";
import { convert, parse } from "@platformatic/promotel";

const { metrics } = convert(parse(readFileSync("page", "utf8"))).resource_metrics[0].scope_metrics[0];
for (const metric of metrics) {
    const kind = ["gauge", "sum", "histogram", "summary"].find((name) => metric[name]);
    for (const { attributes, time_unix_nano, ...point } of metric[kind].data_points) console.log(metric.name, kind, JSON.stringify(point));
}
EOF
node turn.mjs | tee answers
diff answers - <<'EOF'
go_sched_latencies_seconds histogram {"count":9,"sum":0.5,"bucket_counts":[9],"explicit_bounds":[]}
app_worker histogram {"count":7,"sum":0,"bucket_counts":[],"explicit_bounds":[]}
app_latency summary {"count":0,"sum":0,"quantile_values":[]}
EOF
