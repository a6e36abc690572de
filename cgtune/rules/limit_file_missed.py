"""Go looks for its CPU quota in the wrong place and finds none

What it means: the process's own cgroup has a quota and the runtime (1.25 or later, awareness on) wants to obey it, but does not find the
file, or takes another one. Known causes:
  - Go 1.25 with a cgroup mount whose root is not / (Docker and Kubernetes on cgroup v1, bind-mounted cgroup trees): it appends the whole
    cgroup path to the mount point. Fixed in 1.26.
  - Go 1.26 and 1.27 when the process's mount table has, before the cgroup mount, a line whose root is no path (a bind-mounted network
    namespace shows net:[4026531833]): the search ends there.
  - several cgroup2 mounts: 1.25 takes the last, 1.26 and later the first that reaches the path.
  - the cgroup file system is not mounted in the container, or not readable.
  - the host's own cgroup mount was put into a container with a cgroup namespace of its own (docker run -v
    /sys/fs/cgroup:/sys/fs/cgroup): its root lies above that namespace (/../..), and no Go version knows a way from there.
  - the process was moved from outside, out of its cgroup namespace or away from the cgroup that its mount shows.
  - the file came after the program: `systemctl set-property` gives a running service its first CPUQuota, and Go looks once, at its start.
  - the program closed the descriptor that the runtime keeps open (a host program that closes all it did not open): it reads nothing more.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts.

How to confirm:
  cat /proc/PID/cgroup; grep -n cgroup /proc/PID/mountinfo    # field 4 is the mount's root, field 5 the mount point
  grep -n 'net:\\[' /proc/PID/mountinfo                       # such a line before the cgroup mount?
  ls -l /proc/PID/fd | grep -E 'cpu.max|cpu.cfs'              # the limit files that the runtime holds open

What to do: set GOMAXPROCS as recommended. For the first cause build with Go 1.26 or later; for the second mount the cgroup file system
before the namespaces, or unmount them. A restart or a newer Go is advised only if it would find the file where the process is now.

Sources: Go source internal/runtime/cgroup; golang/go issues 76390 and 76810.
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act
from cgtune.runtimes.go.derived.versions import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "limit-file-missed"
SEVERITY: Severity = "warning"
SUMMARY = "Go looks for its CPU quota in the wrong place and finds none"


def judge(case: Case) -> Finding | None:
    """An aware runtime sees no quota, or a wider one, although that of its own cgroup binds."""
    facts, binding = case.facts, case.cpu.binding
    if facts is None or facts.derived.seen is None or not facts.derived.aware or not case.follows_own or not case.derives_unlimited:
        return None
    if binding is None or not case.binds_own:
        return None
    seen, bandwidth = facts.derived.seen, binding.bandwidth
    if seen.cause is None and bandwidth is not None and (seen.quota_us, seen.period_us) == (bandwidth.quota_us, bandwidth.period_us):
        return None  # it reads the very quota that binds: that GOMAXPROCS is more has another cause
    found = seen.why or f"it reads {' and '.join(seen.files) or 'another file'}: {seen.quota_us} {seen.period_us}"
    if seen.cause == "no-path":
        cause = "a mount whose root is no path stands before the cgroup mount, which ends Go's search (1.26 and 1.27)"
        act_words = "mount the cgroup file system before that mount, or unmount it: the runtime then finds its quota"
    elif seen.cause == "none-at-start" and case.would_find(case.minor):
        cause = "its cgroup has a limit file now, and Go looks for one only once, at its start"
        act_words = "restart the program: it then finds its quota, and follows it from there on"
    elif seen.cause == "closed":
        cause = "the program closed the runtime's own descriptor: it closes files that it did not open"
        act_words = "let the program leave descriptors alone that it did not open: the runtime keeps its limit file open"
    elif facts.derived.misplaced == "moved-out":
        cause = "its cgroup lies outside of its cgroup namespace: somebody moved it there from outside, and Go knows no way there"
        act_words = "start the program in its cgroup: move first, then enter the namespace and start"
    elif facts.derived.misplaced == "mount-above":
        cause = "the cgroup mount that it sees begins above its cgroup namespace: it is the host's own, put into the container"
        act_words = (
            "do not mount the host's /sys/fs/cgroup into the container (its engine mounts one), or share the host's cgroup namespace"
        )
    elif facts.derived.misplaced == "mount-beside":
        cause = "the cgroup mount that it sees shows another cgroup than its own: the process was moved, or that one was mounted"
        act_words = "start the program in its cgroup (move first, then start), in a container that mounts its own cgroup"
    elif seen.cause == "not-mounted":
        cause = "no mount that it can see shows its cgroup"
        act_words = "mount the cgroup file system, read-only will do, at /sys/fs/cgroup of its container"
    elif seen.cause == "not-opened" and case.minor == 25 and case.would_find(NEWEST):
        cause = "Go 1.25 looks below the mount point for the whole cgroup path, though the mount begins further down"
        act_words = "build with Go 1.26 or later: it takes the mount's root into account"
    else:
        cause = "what Go finds is not the limit of its cgroup"
        act_words = "make its cgroup's limit file visible at the place where the runtime looks"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"Go {facts.program.version} does not find its CPU quota: GOMAXPROCS is {case.procs} under {case.cores_words}",
        evidence=case.procs_evidence(f"what the runtime sees: {found}", cause, case.stall),
        advice=(case.set_procs("does not depend on the file"), act(act_words)),
    )
