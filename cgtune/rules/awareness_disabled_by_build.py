"""Go could obey its CPU quota, but was told not to at build time

What it means: the toolchain is Go 1.25 or newer, but the program carries containermaxprocs=0 in its built-in GODEBUG. The usual reason is
a go line below 1.25 in the main module's go.mod (or in go.work): the go command then records the old behaviour. A godebug line, or a
//go:debug line in package main, does the same. A program built without a go.mod (GOPATH mode, as Debian's packages are) has no go line
at all and carries it, too.

Why it hurts: Quota Q per period P and n busy threads: the quota is gone after Q/n, and everything stands still for P - Q/n. Half a CPU is
50 ms of every 100 ms: two threads run 25 ms and stall 75 ms; 64 threads run 0.8 ms and stall 99.2 ms. Each stall is latency, and the
garbage collector, which sizes itself by GOMAXPROCS, spends the quota in bursts.

How to confirm:
  tr -c ' -~' '\\n' < /proc/PID/exe | grep -m1 DefaultGODEBUG=         # as go version -m shows it
  grep -H . /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_*_us 2>/dev/null   # in the container; v2, then v1
  cat /proc/PID/cgroup                                        # which cgroup; its parents have quotas of their own

What to do: raise the go line to 1.25 or later (with go.work: the one there) and build again; or set
GODEBUG=containermaxprocs=1,updatemaxprocs=1; or set GOMAXPROCS, which then does not follow changes of the quota. For a program of GOPATH
mode there is no go line to raise: GODEBUG helps, a build as a module, or the program's own option.

Sources: Go source cmd/go/internal/load/godebug.go and internal/godebugs/table.go; https://go.dev/doc/godebug.
"""

from __future__ import annotations

from cgtune.model import Advice, Finding
from cgtune.rules.case import act, godebug_aware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "awareness-disabled-by-build"
SEVERITY: Severity = "warning"
SUMMARY = "Go could obey its CPU quota, but was told not to at build time"


def judge(case: Case) -> Finding | None:
    """A runtime that could obey the quota was told not to, at build time."""
    facts = case.facts
    if facts is None or facts.derived.aware is not False or facts.derived.aware_from != "build" or not case.derives_unlimited:
        return None
    said = dict(facts.program.godebug).get("containermaxprocs", "0")
    switch = Advice(variable="GODEBUG", value=godebug_aware(facts), reason="instead: switches on what the build switched off")
    build = (act("raise the go line of go.mod (or go.work) to 1.25 or later and build again: the runtime then follows its quota"), switch)
    if not facts.program.is_module:
        build = (
            switch,
            act("it was built without a go.mod (GOPATH mode, as Debian's packages are): no go line can be raised; or build it as a module"),
        )
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"container awareness is switched off at build time: GOMAXPROCS is {case.procs_shown} under {case.cores_words}",
        evidence=case.procs_evidence(
            f"built with Go {facts.program.version} and DefaultGODEBUG containermaxprocs={said}",
            case.stall,
        ),
        advice=(
            case.set_procs("takes effect at the next start, and does not follow later changes of the quota"),
            *((act(f"a newer go line alone does not help here: {case.blocked}"),) if case.blocked else build),
        ),
    )
