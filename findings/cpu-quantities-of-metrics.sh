#!/usr/bin/env bash
# kubernetes-resource-parser 0.1.0 and k8s-resource-parser 0.2.2 (npm), lightkube 1.0.1 (PyPI, August 2026).
#
# Behaviour: Kubernetes' metrics API states the CPU that a pod uses in nanocores ("12345678n"; multiples of a thousand as "12345u"). Three libraries
# whose one task is to read quantities do three things with that. All of them read "500m".
#
# Seen, for 12345678n (0.012 CPUs):
#   kubernetes-resource-parser   12345678            a billion times too much, without a word
#   k8s-resource-parser          Error: Invalid quanity provided.
#   lightkube                    ValueError: Invalid unit suffix: n
# and kubernetes-resource-parser on memory: 1.5Gi is 1 byte, 129e6 (an example of Kubernetes' own documentation) is 129 bytes, .5Gi is NaN.
#
# Why it hurts: limits come as "500m", use comes as "12345678n", and both go through one parser to become "share of the limit used". The tests are written
# with limits. In the first library the ratio is then 25 million instead of 0.02, which an autoscaler or an alert acts upon.
#
# Exit codes: 0 as described, 1 no longer so, 77 the packages could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
nice -n 10 npm install --silent --no-fund --no-audit --ignore-scripts kubernetes-resource-parser@0.1.0 k8s-resource-parser@0.2.2 >/dev/null || exit 77
python3 -m venv env
nice -n 10 env/bin/pip install --quiet lightkube==1.0.1 || exit 77

cat >read.js <<'EOF'
const silent = require("kubernetes-resource-parser"), loud = require("k8s-resource-parser");
const show = (name, parse, text) => {
    let value;
    try { value = parse(text); } catch (error) { value = `Error: ${error.message}`; }
    console.log(name, text, value);
};
for (const text of ["500m", "12345678n", "12345u"]) {
    show("kubernetes-resource-parser cpu", silent.cpuParser, text);
    show("k8s-resource-parser cpu", loud.cpuParser, text);
}
for (const text of ["512Mi", "1.5Gi", "129e6", ".5Gi"]) show("kubernetes-resource-parser memory", silent.memoryParser, text);
EOF
{
    node read.js
    env/bin/python - <<'EOF'
from lightkube.utils.quantity import parse_quantity
for text in ("500m", "12345678n", "12345u"):
    try:
        print("lightkube", text, float(parse_quantity(text)))
    except ValueError as error:
        print("lightkube", text, f"ValueError: {error}")
EOF
} | tee answers
diff answers - <<'EOF'
kubernetes-resource-parser cpu 500m 0.5
k8s-resource-parser cpu 500m 0.5
kubernetes-resource-parser cpu 12345678n 12345678
k8s-resource-parser cpu 12345678n Error: Invalid quanity provided.
kubernetes-resource-parser cpu 12345u 12345
k8s-resource-parser cpu 12345u Error: Invalid quanity provided.
kubernetes-resource-parser memory 512Mi 536870912
kubernetes-resource-parser memory 1.5Gi 1
kubernetes-resource-parser memory 129e6 129
kubernetes-resource-parser memory .5Gi NaN
lightkube 500m 0.5
lightkube 12345678n ValueError: Invalid unit suffix: n
lightkube 12345u ValueError: Invalid unit suffix: u
EOF
