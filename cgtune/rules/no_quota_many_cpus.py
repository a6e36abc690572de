"""a CPU request without a limit on a large machine: Go takes all CPUs

What it means: the container has a CPU weight (a Kubernetes request, docker --cpu-shares) and no quota. Go takes every CPU of the machine,
here at least 8 times the request. The request is computed back from the weight; there are two formulas in use for cgroup v2, and the
larger result is taken. The least weight stands for no request at all. The default weight says nothing and is not reported, nor is that of
a cgroup with cpu.idle, which reads 0 (Linux 6.1), 1 (6.12) or 3 shares.

Why it hurts: nothing is throttled, but on a busy machine the weight decides, and a program with 64 threads gets the time of 2: locks are
held by threads that wait, and the collector starts 16 workers. On an idle machine it is fine.

How to confirm:
  cd /sys/fs/cgroup; grep -H . cpu.weight cpu.max cpu/cpu.shares cpu/cpu.cfs_quota_us 2>/dev/null   # v2, then v1
  grep Cpus_allowed_list /proc/PID/status                     # not nproc: newer ones answer with the quota

What to do: nothing where the machine has room. Else give a CPU limit, or set GOMAXPROCS to some 2 times the request (as CRI-O does).

Sources: Kubernetes KEP-2254 (shares to weight) and runc 1.3.2 (the newer curve); openshift/enhancements 2047.
"""

from __future__ import annotations

import math

from cgtune.model import Advice, Finding
from cgtune.numbers import format_cores
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import CpuLevel, Severity
    from cgtune.rules.case import Case

ID = "no-quota-many-cpus"
SEVERITY: Severity = "info"
SUMMARY = "a CPU request without a limit on a large machine: Go takes all CPUs"


_TIMES = 8
_DEFAULT_SHARES, _DEFAULT_WEIGHT = 1024, 100
_NO_REQUEST = 2 / 1024  # the kernel's least shares, which the kubelet gives a container without a request


def judge(case: Case) -> Finding | None:
    """All CPUs taken by a container whose weight stands for an eighth of them or less."""
    facts, chain = case.facts, case.snapshot.cpu_chain
    if facts is None or case.limit_cores is not None or not chain or case.procs_are_set or case.procs_count < case.usable:
        return None
    leaf = chain[0]
    if leaf.path.endswith((".service", ".slice")):
        return None  # systemd's CPUWeight= is a preference, not what the program was sized for
    requests, file = _requests(leaf)
    if not requests or case.usable < _TIMES * max(requests):
        return None
    shown = " or ".join(f"{format_cores(request)}" for request in requests)
    if max(requests) <= _NO_REQUEST:
        said, advice = "no CPU request", act("give it a CPU request and a limit: on a busy machine it gets hardly any time")
    else:
        said = f"a request of {'' if leaf.request_cores else 'some '}{shown} CPUs"
        value = str(max(2, math.ceil(2 * max(requests))))
        advice = Advice(variable="GOMAXPROCS", value=value, reason="twice the request, if the machine is busy; or give a CPU limit")
    summary = f"no CPU limit and {said}: GOMAXPROCS is {case.procs}"
    return Finding(rule=ID, severity=SEVERITY, summary=summary, evidence=case.procs_evidence(file), advice=(advice,))


def _requests(leaf: CpuLevel) -> tuple[list[float], str]:
    """The CPU requests that the weight of a cgroup may stand for, in cores, and the file that says so; none where it stands for none."""
    if leaf.request_cores is not None:
        return [leaf.request_cores], f"CPU request: {format_cores(leaf.request_cores)}"
    if leaf.idle:  # from Linux 5.15 on (cgroup-v2.rst): chosen on purpose, and no request, whatever the kernel shows as weight or shares
        return [], ""
    if leaf.version == 1 and leaf.shares is not None and leaf.shares != _DEFAULT_SHARES:
        return [leaf.shares / 1024], f"{leaf.directory}/cpu.shares: {leaf.shares}"
    if leaf.version == 2 and leaf.weight not in (None, 0, _DEFAULT_WEIGHT):
        return sorted(derive_requests(leaf.weight)), f"{leaf.directory}/cpu.weight: {leaf.weight}"
    return [], ""


def derive_requests(weight: int) -> tuple[float, float]:
    """The CPU requests, in cores, that the older and the newer formula turn into this cpu.weight."""
    older = ((weight - 1) * 262142 / 9999 + 2) / 1024
    # weight = 10 ** ((l * l + 125 * l) / 612 - 7 / 34) with l = log2(shares), solved for l
    logarithm = (-125 + math.sqrt(125 * 125 + 4 * 612 * (math.log10(weight) + 7 / 34))) / 2
    return older, 2**logarithm / 1024
