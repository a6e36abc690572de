"""automaxprocs is linked in, and this Go follows its CPU quota by itself

What it means: the program links go.uber.org/automaxprocs and was built with Go 1.25 or later, whose runtime obeys the CPU quota itself.
Where its own cgroup has a quota, and no GOMAXPROCS variable is there, the library rounds it down with a minimum of 1, does not look at the
CPU count or the affinity, and its call of runtime.GOMAXPROCS stops the runtime's own updates. Not reported where the library finds a quota
that the runtime does not (Go 1.25 in a container on cgroup v1).

Why it hurts: GOMAXPROCS stays as it was at the start when the quota changes, and may differ from what Go would take.

How to confirm:
  tr -c ' -~' '\\n' < /proc/PID/exe | grep -m1 automaxprocs            # as go version -m shows it

What to do: remove the import of go.uber.org/automaxprocs. Keep it where rounding down is wanted, knowing the price. Like Go it reads the
quota of its own cgroup only, and is no help against an ancestor's.

Sources: https://github.com/uber-go/automaxprocs; Go 1.25 release notes, "Container-aware GOMAXPROCS".
"""

from __future__ import annotations

from cgtune.model import AUTOMAXPROCS, Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import GoFacts, Severity
    from cgtune.rules.case import Case

ID = "automaxprocs-redundant"
SEVERITY: Severity = "info"
SUMMARY = "automaxprocs is linked in, and this Go follows its CPU quota by itself"


def judge(case: Case) -> Finding | None:
    """The library in a program whose runtime obeys quotas, and finds this one."""
    facts = case.facts
    if facts is None or not facts.program.links(AUTOMAXPROCS) or not facts.derived.aware or case.set_by_variable:
        return None
    if facts.derived.variable("GOMAXPROCS") is not None and not facts.observed.pinned:
        return None  # it leaves everything alone as soon as the variable is there, be it empty
    if case.quota_binds and case.binds_own and case.by_itself is None:
        return None  # the library finds a quota that the runtime does not: 1.25 in a container on v1
    summary = f"automaxprocs stops, where there is a quota, the updates that Go {facts.program.version} makes by itself"
    if facts.observed.pinned:
        summary = f"automaxprocs has stopped the updates that Go {facts.program.version} makes by itself"
    elif facts.observed.pinned is False and case.quota_binds and case.binds_own:  # caddy calls it in some of its commands only
        summary = f"automaxprocs is linked in and has set nothing so far; Go {facts.program.version} follows its quota by itself"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=summary,
        evidence=tuple(line for line in (_say_linked(facts), case.procs_words) if line),
        advice=(act(f"remove the import of {AUTOMAXPROCS}: the runtime obeys its quota and follows changes"),),
    )


def _say_linked(facts: GoFacts) -> str:
    version = facts.program.version_of(AUTOMAXPROCS)
    return f"its function table names {AUTOMAXPROCS}" if version is None else f"build info: {AUTOMAXPROCS} {version}"
