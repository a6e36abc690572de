"""a CPU request without a limit on a large machine: Go takes all CPUs

What it means: the container has a CPU weight (a Kubernetes request, docker --cpu-shares) and no quota. Go takes every CPU of the machine,
here at least 8 times the request. The request is computed back from the weight: several millicores come to one weight, and two formulas
are in use for cgroup v2 (a line, by runc before 1.3.2, crun before 1.23 and the kubelet; a curve since), often both in one tree. All of
it is said, and the largest is taken. The least weight may stand for no request at all. The default weight says nothing and is not
reported, nor is that of a cgroup with cpu.idle, which reads 0 (Linux 6.1), 1 (6.12) or 3 shares.

Why it hurts: nothing is throttled, but on a busy machine the weight decides, and a program with 64 threads gets the time of 2: locks are
held by threads that wait, and the collector starts 16 workers. On an idle machine it is fine.

How to confirm:
  cd /sys/fs/cgroup; grep -H . cpu.weight cpu.max cpu/cpu.shares cpu/cpu.cfs_quota_us 2>/dev/null   # v2, then v1
  grep Cpus_allowed_list /proc/PID/status                     # not nproc: newer ones answer with the quota

What to do: nothing where the machine has room. Else give a CPU limit, or set GOMAXPROCS to some 2 times the request (as CRI-O does).

Sources: Kubernetes KEP-2254 (the line) and opencontainers/cgroups, utils.go (the curve); openshift/enhancements 2047.
"""

from __future__ import annotations

import math

from cgtune.model import Advice, Finding
from cgtune.numbers import format_cpus, format_request
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "no-quota-many-cpus"
SEVERITY: Severity = "info"
SUMMARY = "a CPU request without a limit on a large machine: Go takes all CPUs"


_TIMES = 8


def judge(case: Case) -> Finding | None:
    """All CPUs taken by a container whose weight stands for an eighth of them or less."""
    facts, chain = case.facts, case.snapshot.cpu_chain
    if facts is None or case.limit_cores is not None or not chain or case.procs_are_set or case.procs_count < case.usable:
        return None
    leaf = chain[0]
    if leaf.path.endswith((".service", ".slice")):
        return None  # systemd's CPUWeight= is a preference, not what the program was sized for
    most = leaf.request_cores if leaf.request_cores is not None else max((most for _, _, most in leaf.requests), default=0) / 1000
    if not most or case.usable < _TIMES * most:
        return None
    if leaf.request_cores is None and all(least == 0 for _, least, _ in leaf.requests):
        said, advice = "no CPU request", act("give it a CPU request and a limit: on a busy machine it gets hardly any time")
    else:
        shown = " or ".join(format_request(least, most) for _, least, most in leaf.requests)
        said = f"a request of {shown if leaf.request_cores is None else format_cpus(leaf.request_cores)}"
        value = str(max(2, math.ceil(2 * most)))
        advice = Advice(variable="GOMAXPROCS", value=value, reason="twice the request, if the machine is busy; or give a CPU limit")
    summary = f"no CPU limit and {said}: GOMAXPROCS is {case.procs}"
    return Finding(rule=ID, severity=SEVERITY, summary=summary, evidence=case.procs_evidence(case.weight_words), advice=(advice,))
