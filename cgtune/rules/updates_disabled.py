"""the runtime took its quota at the start and does not follow changes

What it means: updatemaxprocs=0 in GODEBUG, built in or in the environment, while containermaxprocs is on. GOMAXPROCS is the quota of the
moment the program started. A go line below 1.25 together with containermaxprocs=1 gives this combination.

Why it hurts: after an in-place resize GOMAXPROCS is too large (throttling) or too small (unused CPUs). Where that has happened already,
this is a warning.

How to confirm:
  tr -c ' -~' '\\n' < /proc/PID/exe | grep -m1 DefaultGODEBUG=         # as go version -m shows it
  tr '\\0' '\\n' < /proc/PID/environ | grep ^GODEBUG=

What to do: take updatemaxprocs=0 out of GODEBUG; where the build holds it, raise the go line to 1.25 or later, or set
containermaxprocs=1,updatemaxprocs=1; restart to take the present quota.

Sources: Go source internal/godebugs/table.go and runtime/proc.go; https://go.dev/doc/godebug.
"""

from __future__ import annotations

import math

from cgtune.model import Advice, Finding
from cgtune.rules.case import godebug_aware

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "updates-disabled"
SEVERITY: Severity = "info"
SUMMARY = "the runtime took its quota at the start and does not follow changes"


def judge(case: Case) -> Finding | None:
    """Awareness without updates under a quota that binds; a warning once the quota has changed."""
    facts = case.facts
    if facts is None or not facts.derived.aware or facts.derived.updates is not False or case.procs_are_set or not case.quota_binds:
        return None
    stale = case.exceeds or 0 < case.procs_count < math.floor(min(case.limit_cores or 0, case.usable))
    number = f" {case.procs}" if case.procs_count else ""
    text = f"does not fit the quota of {case.cores_words} any more" if stale else "will not follow changes of the quota"
    return Finding(
        rule=ID,
        severity="warning" if stale else SEVERITY,
        summary=f"updatemaxprocs=0 from the {facts.derived.updates_from}: GOMAXPROCS{number} {text}",
        evidence=case.procs_evidence(),
        advice=(
            Advice(
                variable="GODEBUG",
                value=godebug_aware(facts),
                reason="the runtime then looks at its quota again and again; takes effect at the next start",
            ),
        ),
    )
