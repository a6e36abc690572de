"""What differs between two reports: processes that came and went, findings that appeared and ended. Pure."""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Finding, ProcessReport, Report

    Identity = tuple[int, int, str, str | None]


class Change(Record):
    """One change. ``event`` is process-came, process-went, finding-appeared or finding-ended.

    A finding also appears anew if its severity or its harm changed.
    """

    event: str
    process: ProcessReport
    finding: Finding | None = None


def locate_changes(before: Report | None, after: Report) -> tuple[Change, ...]:
    """All changes, by process in the order of the reports. What a process took with it when it went is not told one by one."""
    old = _by_identity(before) if before is not None else {}
    new = _by_identity(after)
    changes = [Change(event="process-went", process=process) for identity, process in old.items() if identity not in new]
    for identity, process in new.items():
        if identity not in old:
            changes.append(Change(event="process-came", process=process))
        earlier = _by_rule(old[identity]) if identity in old else {}
        now = _by_rule(process)
        changes += [Change(event="finding-ended", process=process, finding=finding) for rule, finding in earlier.items() if rule not in now]
        changes += [
            Change(event="finding-appeared", process=process, finding=finding)
            for rule, finding in now.items()
            if rule not in earlier or earlier[rule].urgency != finding.urgency
        ]
    return tuple(changes)


def _by_identity(report: Report) -> dict[Identity, ProcessReport]:
    """A pid comes back, and exec(2) keeps both pid and start time: the program tells those apart."""
    found = {}
    for process in report.processes:
        identity, go = process.snapshot.process, process.snapshot.go
        program = f"{go[0].program.main_module} {go[0].program.version}" if go else None
        executable = (identity.executable or "").removesuffix(" (deleted)")  # proc_pid_exe(5): a file replaced under a running program
        found[identity.pid, identity.start_ticks, executable, program] = process
    return found


def _by_rule(process: ProcessReport) -> dict[str, Finding]:
    """The first of each rule, which is the worst of them."""
    found: dict[str, Finding] = {}
    for finding in process.findings:
        found.setdefault(finding.rule, finding)
    return found
