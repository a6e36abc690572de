"""a limit is written in a way that is dropped, and the program runs without it

What it means: systemd takes a setting that it cannot read out of the unit, with a line in the log, and starts the unit without it:
CPUQuota without a per cent sign or with a third decimal, MemoryMax=512Mi.

Why it hurts: there is no limit, though the unit reads as if there were one. GOMAXPROCS and GOMEMLIMIT are then judged, and chosen, by a
limit that nobody enforces.

How to confirm:
  systemctl show UNIT -p CPUQuotaPerSecUSec -p MemoryMax | grep infinity
  journalctl -b | grep -F 'ignoring: '

What to do: write it as systemd reads it: CPUQuota=150%, MemoryMax=512M (its K, M, G and T are powers of 1024).

Sources: systemd.resource-control(5); seen with systemd 252, 257 and 262.
"""

from __future__ import annotations

from cgtune.lint.edits import replace_scalar
from cgtune.model import Advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.lint.model import Fix, LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.manifests.workload import Flaw
    from cgtune.model import Severity

ID = "limit-dropped"
SEVERITY: Severity = "critical"
SUMMARY = "a limit is written in a way that is dropped, and the program runs without it"


def judge(case: LintCase) -> Iterator[LintFinding]:
    """What the reader found to be dropped."""
    for flaw in case.workload.flaws:
        if flaw.cause == "dropped":
            what = f"{flaw.what} as its reader takes it" if flaw.meant is None else f"{flaw.what}={flaw.meant}"
            yield case.found(
                ID,
                SEVERITY,
                flaw.place,
                f"{flaw.what}={flaw.written[:60]} is dropped: {flaw.detail}",
                advice=(Advice(variable=None, value=None, reason=f"write {what}"),),
                fix=_spell(case, flaw),
            )


def _spell(case: LintCase, flaw: Flaw) -> Fix | None:
    """The same amount as its reader takes it, if it is clear which that is."""
    if flaw.meant is None or flaw.place.file != case.workload.place.file:
        return None
    return replace_scalar(case.text, flaw.place, flaw.written, flaw.meant, "safe", is_yaml=case.workload.kind != "systemd")
