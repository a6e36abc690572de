#!/usr/bin/env bash
# pangolier 0.4.2 (PyPI, April 2026) and promql-builder 0.0.6 of Grafana Labs (PyPI, May 2026), which write PromQL from expressions in Python; the
# answers are those of promtool 2.53.3 (Debian 13). promcraft 0.6.2 writes all three right.
#
# Behaviour: brackets that stand in the Python are missing in the PromQL, without an error. pangolier compares the ranks of two operators and sets none
# between equals, so a / (b / c) becomes a / b / c. promql-builder puts its brackets around both sides of an operator, and the minus before it.
#
# Seen, of a container with 2 CPUs (a quota of 200000 us, a period of 100000 us) that uses one, and with 1000 MB of memory, of which 600 are in use and
# 150 of those are cache:
#   asked for                         written by                                           answer     right
#   used / (quota / period)           pangolier: used / quota / period                     5e-11      0.5
#   limit - (usage - cache)           pangolier: limit - usage - cache                     250        550
#   -(limit - usage)                  promql-builder: -(limit) - (usage)                   -1600      -400
#
# Why it hurts: the first is how one asks what part of its CPU limit a Go service uses, and an alert at 80 percent of it is silent for good. The
# second says that memory is short as long as there is cache.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet pangolier==0.4.2 promql-builder==0.0.6 promcraft==0.6.2 || exit 77

unpack() { # PACKAGE=VERSION of Debian 13, from the mirror that this machine uses, into the folder root
    local mirror apt
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' | awk '$1 == "Debian" {print $2; exit}')
    mkdir -p state/lists/partial cache/archives/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State="$work/state"
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o APT::Sandbox::User=root)
    "${apt[@]}" update && "${apt[@]}" download "$@" && for deb in ./*.deb; do dpkg -x "$deb" root; done
}
unpack promtool=2.53.3+ds1-2 || exit 77

cat >write.py <<'END'
from pangolier.functions import range_function
from pangolier.metrics import Metric
from promcraft import InstantVector, Label
from promql_builder.builders import promql as grafana

QUOTA, PERIOD, LIMIT, USAGE, CACHE = (
    f"container_{name}" for name in ("spec_cpu_quota", "spec_cpu_period", "spec_memory_limit_bytes", "memory_usage_bytes", "memory_cache")
)
used = range_function("rate")(Metric("container_cpu_usage_seconds_total"), "5m")
quota, period, limit, usage, cache = map(Metric, (QUOTA, PERIOD, LIMIT, USAGE, CACHE))
print("pangolier", (used / (quota / period)).to_str(), sep="|")
print("pangolier", (limit - (usage - cache)).to_str(), sep="|")
print("promql-builder", grafana.neg(grafana.sub(grafana.vector(LIMIT), grafana.vector(USAGE))), sep="|")
quota, period, limit, usage, cache = (InstantVector(name, []) for name in (QUOTA, PERIOD, LIMIT, USAGE, CACHE))
print("promcraft", quota / (quota / period), sep="|")
print("promcraft", limit - (usage - cache), sep="|")
print("promcraft", -(limit - usage), sep="|")
END
env/bin/python write.py | tee written
cat >test.yaml <<'END'
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: container_cpu_usage_seconds_total, values: '0+60x20'}
      - {series: container_spec_cpu_quota, values: '200000x20'}
      - {series: container_spec_cpu_period, values: '100000x20'}
      - {series: container_spec_memory_limit_bytes, values: '1000e6x20'}
      - {series: container_memory_usage_bytes, values: '600e6x20'}
      - {series: container_memory_cache, values: '150e6x20'}
    promql_expr_test:
END
paste -d'|' written - <<'END' | while IFS='|' read -r _ query answer; do
5e-11
250e6
-1600e6
100000
550e6
-400e6
END
    echo "      - {expr: '$query', eval_time: 20m, exp_samples: [{labels: '{}', value: $answer}]}"
done >>test.yaml
root/usr/bin/promtool test rules test.yaml
