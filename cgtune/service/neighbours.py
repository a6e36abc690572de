"""Who uses the CPUs beside processes that wait for one: the cgroups of the machine are read at two looks, and only while somebody waits.

A look costs up to 500 small files more while a process waits, and nothing else. Who begins to wait is told his neighbours at the look
after: their use since the look before that.
"""

from __future__ import annotations

from cgtune.cgroups.neighbours import find_busiest, read_usages
from cgtune.rates import with_busiest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.cgroups.neighbours import Usages
    from cgtune.model import Mount, Process, Report
    from cgtune.system.host import Host

_RULE = "cpu-contended"


class Neighbours:
    """What the machine's cgroups had used at the last look, if a process waited then, and which processes did."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._usages: Usages | None = None
        self._waiting: frozenset[tuple[int, int]] = frozenset()

    def name(self, report: Report, mounts: Sequence[Mount]) -> Report:
        """The report, not judged yet, with the neighbours of those that waited at the look before."""
        if self._usages is None:
            return report
        before, self._usages = self._usages, read_usages(self._host, mounts)
        busiest = find_busiest(before, self._usages)
        return report.replace(
            processes=tuple(
                with_busiest(process, busiest) if _identity(process.snapshot.process) in self._waiting else process
                for process in report.processes
            )
        )

    def follow(self, report: Report, mounts: Sequence[Mount]) -> None:
        """Take note of who waits, by the judged report."""
        self._waiting = frozenset(
            _identity(process.snapshot.process)
            for process in report.processes
            if any(_RULE in finding.hurts for finding in process.findings)
        )
        if not self._waiting:
            self._usages = None
        elif self._usages is None:
            self._usages = read_usages(self._host, mounts)


def _identity(process: Process) -> tuple[int, int]:
    return process.pid, process.start_ticks
