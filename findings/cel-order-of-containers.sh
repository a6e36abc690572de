#!/usr/bin/env bash
# common-expression-language 0.10.0 (PyPI, September 2026, a CEL in Rust), beside CEL's own C++ runtime, cel-expr-python 0.1.3 (PyPI).
#
# Behaviour: CEL forgives an error in one element of a list if another one decides: `exists` is true as soon as one is true, `all` is false as soon as one is false, in
# any order, as with || and &&. In the Rust package || and && do so and `exists` and `all` do not: they end at the first error. So the answer follows from the order.
#
# Seen, of a pod with a container "shop" of 512 MiB and a "proxy" without a memory limit (proxy first, then shop first):
#   rule                                                   C++             Rust
#   pod.containers.exists(c, c.memory >= 256)              true   true     an error   true
#   pod.containers.all(c, c.memory >= 1024)                false  false    an error   false
#   the same two spelled by || and &&, each in both orders true   false    true       false
#
# Why it hurts: a policy that was tried with it is right for pods as they are written and fails for the same pods with a sidecar that was put in front, or the other way
# round; Kubernetes, whose CEL forgives, refuses and admits others than the test did. Who spells the rule out with || to look for the cause finds nothing.
#
# Exit codes: 0 as described, 1 no longer so, 77 a package could not be had.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv env
nice -n 10 env/bin/pip install --quiet common-expression-language==0.10.0 cel-expr-python==0.1.3 || exit 77

cat >judge.py <<'EOF'
import cel as rust
from cel_expr_python import cel as cpp

PROXY, SHOP = {"name": "proxy"}, {"name": "shop", "memory": 512}
RULES = (
    "pod.containers.exists(c, c.memory >= 256)",
    "pod.containers.all(c, c.memory >= 1024)",
    "pod.containers[0].memory >= 256 || pod.containers[1].memory >= 256",
    "pod.containers[0].memory >= 1024 && pod.containers[1].memory >= 1024",
)
environment = cpp.NewEnv(variables={"pod": cpp.Type.DYN})


def by_rust(rule, pod):
    try:
        return rust.evaluate(rule, {"pod": pod})
    except Exception:
        return "error"


def by_cpp(rule, pod):
    value = environment.compile(rule).eval(data={"pod": pod}).plain_value()
    return value if isinstance(value, bool) else "error"


for rule in RULES:
    for name, judge in (("C++", by_cpp), ("Rust", by_rust)):
        print(rule, name, *(judge(rule, {"containers": containers}) for containers in ([PROXY, SHOP], [SHOP, PROXY])), sep="; ")
EOF
env/bin/python judge.py 2>/dev/null | tee answers
diff answers - <<'EOF'
pod.containers.exists(c, c.memory >= 256); C++; True; True
pod.containers.exists(c, c.memory >= 256); Rust; error; True
pod.containers.all(c, c.memory >= 1024); C++; False; False
pod.containers.all(c, c.memory >= 1024); Rust; error; False
pod.containers[0].memory >= 256 || pod.containers[1].memory >= 256; C++; True; True
pod.containers[0].memory >= 256 || pod.containers[1].memory >= 256; Rust; True; True
pod.containers[0].memory >= 1024 && pod.containers[1].memory >= 1024; C++; False; False
pod.containers[0].memory >= 1024 && pod.containers[1].memory >= 1024; Rust; False; False
EOF
