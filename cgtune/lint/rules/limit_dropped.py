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
            yield case.found(
                ID,
                SEVERITY,
                flaw.place,
                f"{flaw.what}={flaw.written[:60]} is dropped: {flaw.detail}",
                advice=(Advice(variable=None, value=None, reason=f"write {flaw.what} as its reader takes it"),),
                fix=_spell(case.text, flaw),
            )


def _spell(text: str | None, flaw: Flaw) -> Fix | None:
    """A size in powers of 1024, which K, M, G and T are to systemd, without the letters that it does not take."""
    meant, letters, _ = flaw.written.partition("i")
    if not letters or not meant[:-1].isdecimal() or meant[-1] not in "KMGT" or not flaw.what.startswith("Memory"):
        return None
    return replace_scalar(text, flaw.place, flaw.written, meant, "safe", is_yaml=False)
