"""the quota of a parent cgroup binds, and Go reads only its own cgroup's

What it means: a cgroup above the process's own has a tighter CPU quota than its own cgroup, which may have none at all. The kernel
enforces the least of the whole chain. Go 1.25 and later read the limit file of the process's own cgroup only, so GOMAXPROCS comes out too
large. Seen with nested containers, CI jobs in an unlimited leaf, pods whose containers have no limits, and systemd slices.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts.

How to confirm:
  cat /proc/PID/cgroup
  d=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/PID/cgroup)      # on the machine itself, cgroup v2; v1:
  # d=/sys/fs/cgroup/cpu$(grep -E '[:,]cpu[:,]' /proc/PID/cgroup | cut -d: -f3)
  while [ -e "$d/cgroup.procs" ]; do grep -H . "$d/cpu.max" "$d/cpu.cfs_quota_us" 2>/dev/null; d=${d%/*}; done

What to do: set GOMAXPROCS as recommended (it does not follow later changes), or put the same quota on the process's own cgroup, which Go
does read and follow. A cgroup without cpu.max has no CPU controller: enable it in the parent's cgroup.subtree_control, give it the quota,
and restart, as Go looks for the file at its start only. A command of lxc-attach runs in such a cgroup: start it in the container instead.

Sources: golang/go issue 81180; Linux Documentation/admin-guide/cgroup-v2.rst (limits are hierarchical).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_cpus
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "ancestor-quota-ignored"
SEVERITY: Severity = "warning"
SUMMARY = "the quota of a parent cgroup binds, and Go reads only its own cgroup's"


def judge(case: Case) -> Finding | None:
    """An aware runtime took more than an ancestor's quota allows."""
    facts, binding = case.facts, case.cpu.binding
    if facts is None or binding is None or not facts.derived.aware or not case.follows_own or not case.derives_unlimited:
        return None
    if case.binds_own:
        return None
    leaf = case.snapshot.cpu_chain[0]
    own = leaf.bandwidth.limit_cores if leaf.bandwidth is not None else None
    says = "says no limit" if own is None else f"says {format_cpus(own)}"
    act_words = f"or give its own cgroup {leaf.path} the same quota: the runtime reads that one and follows it"
    if leaf.bandwidth is None:
        says = "has no CPU controller, so no limit file"
        act_words = (
            f"or enable the CPU controller for its own cgroup {leaf.path} (+cpu in its parent's cgroup.subtree_control), give it the same"
            " quota, and restart the program: the runtime looks for a limit file at its start only"
        )
    elif case.would_start_anew:
        act_words = f"or give its own cgroup {leaf.path} the same quota and restart the program, which holds no limit file open"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"the parent {binding.path} allows {case.cores_words}, Go reads only its own cgroup: GOMAXPROCS is {case.procs_shown}",
        evidence=case.procs_evidence(f"its own cgroup {leaf.directory} {says}", case.stall),
        advice=(
            case.set_procs("no Go version reads an ancestor's quota"),
            act(act_words),
        ),
    )
