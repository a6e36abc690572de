"""What an operator graphs: a few numbers of each process, with the thresholds that the rules have. Pure."""

from __future__ import annotations

from cgtune.model import Measure
from cgtune.rules.case import Case
from cgtune.rules.cpu_throttled import find_scale, measure_percent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import Policy, ProcessReport, Report


def measure_report(report: Report, policy: Policy) -> tuple[tuple[str, tuple[Measure, ...]], ...]:
    """For each process a name and its measures.

    cgtune's own process stands for its container and is left out beside others. Processes of one name are told apart by a number, in the
    order of their pids, so that a restart changes no name.
    """
    others = [process for process in report.processes if not process.snapshot.process.is_self]
    chosen = sorted(others or report.processes, key=lambda process: process.snapshot.process.pid)
    seen: dict[str, int] = {}
    named = []
    for process in chosen:
        command = process.snapshot.process.command
        seen[command] = seen.get(command, 0) + 1
        name = command if seen[command] == 1 else f"{command} {seen[command]}"
        named.append((name, tuple(_measure(process, policy))))
    return tuple(named)


def _measure(process: ProcessReport, policy: Policy) -> Iterator[Measure]:
    case = Case(process, process.snapshot.go[0] if process.snapshot.go else None, policy)
    percent = measure_percent(case)
    if percent is not None:
        least = {severity: number for number, severity in find_scale(case)}
        yield Measure(name="throttled", value=percent, unit="%", warn=least.get("warning"), crit=least.get("critical"))
    level, limit = process.limits.memory.binding, process.limits.memory.limit_bytes
    if level is not None and limit and level.used_bytes is not None:
        yield Measure(name="memory", value=100 * level.used_bytes / limit, unit="%")
    if process.snapshot.oom_kills is not None:
        yield Measure(name="oom_kills", value=process.snapshot.oom_kills, unit="c")
    if isinstance(case.procs, int):
        yield Measure(name="gomaxprocs", value=case.procs, warn=case.allowed_procs if case.quota_binds else None)
    if isinstance(case.gomemlimit, int):
        yield Measure(name="gomemlimit", value=case.gomemlimit, unit="B")
