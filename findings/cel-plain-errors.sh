#!/usr/bin/env bash
# cel-expr-python 0.1.3 (PyPI), CEL's own C++ runtime for Python, the language of Kubernetes' admission policies.
#
# Behaviour: an expression that fails raises nothing. Its result is a value of type error, and `plain_value()`, by which results become Python's, makes a text of it, as
# truthy and as much a string as any that an expression means: a missing field, a division by zero, an overflow and a wrong type all pass an `if`.
#
# Seen, of rules that a pod has to fulfil, on a pod without a memory limit and with `cpu: 500m` as text:
#   pod.memory <= 512                    'NOT_FOUND: Key not found in map : "memory"'                truthy
#   pod.cpu * 2 <= 4                     'UNKNOWN: No matching overloads found : _*_(string, int64)' truthy
#   100 / pod.replicas >= 50             'INVALID_ARGUMENT: divide by zero'                          truthy
#   pod.replicas + 1 == 1                True
#   string(pod.cpu)                      '500m'                                                      a text like those above
#
# Why it hurts: a policy that is tried by it seems to hold for each object that it cannot even judge, and a default that an expression makes (a GOMEMLIMIT, say) is a text
# that begins with NOT_FOUND. In Kubernetes each of these is an error, which the policy's failurePolicy decides.
#
# Exit codes: 0 as described, 1 no longer so, 77 the package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check cel-expr-python==0.1.3 >/dev/null 2>&1 || exit 77

cat >judge.py <<'EOF'
from cel_expr_python import cel

environment = cel.NewEnv(variables={"pod": cel.Type.DYN})
pod = {"cpu": "500m", "replicas": 0}
for text in ("pod.memory <= 512", "pod.cpu * 2 <= 4", "100 / pod.replicas >= 50", "pod.replicas + 1 == 1", "string(pod.cpu)"):
    plain = environment.compile(text).eval(data={"pod": pod}).plain_value()
    print(text, repr(plain), type(plain).__name__, bool(plain), sep="; ")
EOF
venv/bin/python judge.py | tee answers
diff answers - <<'EOF'
pod.memory <= 512; 'NOT_FOUND: Key not found in map : "memory"'; str; True
pod.cpu * 2 <= 4; 'UNKNOWN: No matching overloads found : _*_(string, int64)'; str; True
100 / pod.replicas >= 50; 'INVALID_ARGUMENT: divide by zero'; str; True
pod.replicas + 1 == 1; True; bool; True
string(pod.cpu); '500m'; str; True
EOF
