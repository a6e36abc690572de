#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm): turns what Prometheus would scrape into JavaScript's objects.
#
# Behaviour: a histogram or summary without labels of its own is read well, as those are that a Go program has by itself. One with labels is not: all its
# series become one, without labels, count and sum. Each bucket has the number of the series that stands last on the page and has that bucket, so with unlike
# buckets it is a mixture, in which counts that only rise can fall.
#
# Seen, of a page with rpc_seconds for method="get" (buckets 4, 8, 9, sum 0.5) and method="put" (buckets 1, -, 2, sum 0.7):
#   go_sched_latencies_seconds   buckets 4, 9, count 9, sum 0.5
#   rpc_seconds                  one series, buckets 1, 8, 2, no labels, no count, no sum
#   rpc_wait_seconds             one series, quantile 0.5 of put, no labels, no count, no sum
#   rpc_total                    two series, each with its label
#
# Why it hurts: it is tried on a Go program's own metrics, whose histograms have no labels, and works. Of the histogram that says how long requests took, by
# method, all methods but the last are gone then, and percentiles are made of buckets of two methods.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts parse-prometheus-text-format@1.1.1 >/dev/null || exit 77

cat >page <<'EOF'
# TYPE go_sched_latencies_seconds histogram
go_sched_latencies_seconds_bucket{le="6.399999999999999e-08"} 4
go_sched_latencies_seconds_bucket{le="+Inf"} 9
go_sched_latencies_seconds_sum 0.5
go_sched_latencies_seconds_count 9
# TYPE rpc_seconds histogram
rpc_seconds_bucket{method="get",le="0.1"} 4
rpc_seconds_bucket{method="get",le="0.5"} 8
rpc_seconds_bucket{method="get",le="+Inf"} 9
rpc_seconds_sum{method="get"} 0.5
rpc_seconds_count{method="get"} 9
rpc_seconds_bucket{method="put",le="0.1"} 1
rpc_seconds_bucket{method="put",le="+Inf"} 2
rpc_seconds_sum{method="put"} 0.7
rpc_seconds_count{method="put"} 2
# TYPE rpc_wait_seconds summary
rpc_wait_seconds{method="get",quantile="0.5"} 0.1
rpc_wait_seconds_sum{method="get"} 3
rpc_wait_seconds_count{method="get"} 4
rpc_wait_seconds{method="put",quantile="0.5"} 0.2
rpc_wait_seconds_sum{method="put"} 5
rpc_wait_seconds_count{method="put"} 6
# TYPE rpc_total counter
rpc_total{method="get"} 9
rpc_total{method="put"} 2
EOF
cat >read.mjs <<'EOF'
import { readFileSync } from "node:fs";
import parse from "parse-prometheus-text-format";

for (const { name, metrics } of parse(readFileSync("page", "utf8"))) console.log(name, JSON.stringify(metrics));
EOF
node read.mjs | tee answers
diff answers - <<'EOF'
go_sched_latencies_seconds [{"buckets":{"6.399999999999999e-08":"4","+Inf":"9"},"count":"9","sum":"0.5"}]
rpc_seconds [{"buckets":{"0.1":"1","0.5":"8","+Inf":"2"}}]
rpc_wait_seconds [{"quantiles":{"0.5":"0.2"}}]
rpc_total [{"value":"9","labels":{"method":"get"}},{"value":"2","labels":{"method":"put"}}]
EOF
