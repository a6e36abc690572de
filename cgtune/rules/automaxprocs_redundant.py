"""automaxprocs is built in, and this Go does the same and more

What it means: the program links go.uber.org/automaxprocs and was built with Go 1.25 or later, whose runtime obeys the CPU quota itself.
The library rounds down with a minimum of 1, does not look at the CPU count or the affinity, and its call of runtime.GOMAXPROCS stops the
runtime's own updates.

Why it hurts: GOMAXPROCS stays as it was at the start when the quota changes, and may differ from what Go would take.

How to confirm:
  go version -m /proc/PID/exe | grep automaxprocs

What to do: remove the import of go.uber.org/automaxprocs. Keep it where an ancestor's quota or rounding down is wanted, knowing the
price.

Sources: https://github.com/uber-go/automaxprocs; Go 1.25 release notes, "Container-aware GOMAXPROCS".
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "automaxprocs-redundant"
SEVERITY: Severity = "info"
SUMMARY = "automaxprocs is built in, and this Go does the same and more"


_MODULE = "go.uber.org/automaxprocs"


def judge(case: Case) -> Finding | None:
    """The library in a program whose runtime obeys quotas."""
    facts = case.facts
    if facts is None or _MODULE not in facts.modules or not facts.aware:
        return None
    version = facts.modules[_MODULE]
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"automaxprocs stops the updates that Go {facts.version} makes by itself",
        evidence=(f"build info: {_MODULE} {version}", case.procs_words),
        advice=(act(f"remove the import of {_MODULE}: the runtime obeys its quota and follows changes"),),
    )
