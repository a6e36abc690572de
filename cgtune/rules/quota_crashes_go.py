"""Go dies of this CPU quota when it starts

What it means: the limit file holds a period of 0 (seen as "0 0" on very old kernels), or a quota so large that quota over period does not
fit 32 bits. Go 1.25 and later turn it into a GOMAXPROCS below 1 and die: "fatal error: procresize: invalid arg", exit status 2. On other
architectures than amd64 and 386 only some of these values do it. A running program dies within about a second of such a value being
written.

Why it hurts: the program does not start.

How to confirm:
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1

What to do: write a sane quota, or "max" (v1: -1); or set GOMAXPROCS: then the quota is never evaluated.

Sources: golang/go issue 80783; run on Go 1.25.5 and 1.27.3.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "quota-crashes-go"
SEVERITY: Severity = "critical"
SUMMARY = "Go dies of this CPU quota when it starts"


def judge(case: Case) -> Finding | None:
    """The derivation ends in procresize's death."""
    facts = case.facts
    if facts is None or facts.derived.dies is None or facts.derived.dies_of != "quota":
        return None
    seen = facts.derived.seen
    quota = f"quota {seen.quota_us} µs, period {seen.period_us} µs" if seen is not None else "a quota that it cannot use"
    files = " and ".join(seen.files) if seen is not None and seen.files else "its limit file"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"Go {facts.program.version} dies at its start of the CPU quota it reads",
        evidence=(f"{files}: {quota}", facts.derived.dies.splitlines()[-1]),
        advice=(
            case.set_procs("where it is set, the quota is never evaluated"),
            act('write a sane quota into the file, or "max" (v1: -1)'),
        ),
    )
