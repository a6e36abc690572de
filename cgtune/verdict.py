"""A report judged for probes and pipelines: which findings count, and what the program's exit code says of them. Pure."""

from __future__ import annotations

from cgtune import __version__, exits
from cgtune.errors import UsageError
from cgtune.model import SEVERITIES, Blind, Report, Verdict
from cgtune.rulebook import describe_rule, locate_rule
from cgtune.rules import RULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import FailOn, Finding, Note, Prediction, ProcessReport, Severity

_NAGIOS_CODES = {"critical": exits.NAGIOS_CRITICAL, "warning": exits.NAGIOS_WARNING, "info": exits.NAGIOS_WARNING}


def parse_ignored(names: Sequence[str]) -> frozenset[str]:
    """The ids of the rules to ignore; raises UsageError for an unknown one, with what may have been meant."""
    try:
        return frozenset(locate_rule(name).ID for name in names)
    except UsageError as error:
        raise UsageError(f"--ignore: {error}; example: --ignore fractional-quota") from error


def blind(report: Report, pids: Sequence[int] = (), *, self_only: bool = False) -> Blind | None:
    """Why the report does not tell whether all is well; None if it does.

    ``pids`` and ``self_only`` are what was asked for, as inspect takes them. Who could not look must not say "clean": the command, the page
    and the service's log all ask here.
    """
    missing = sorted(set(pids) - {process.snapshot.process.pid for process in report.processes})
    if missing:
        what = f"no report on process{'es' * (len(missing) > 1)} {', '.join(map(str, missing))}"
        return Blind(cause="missing", what=what, hint="name one that runs")
    for process in report.processes:  # a search reports Go programs and cgtune itself, a recording whatever was recorded
        pid = process.snapshot.process.pid
        if not pids and process.snapshot.process.is_self:
            continue
        if pids and process.snapshot.process.state == "Z":
            what = f"process {pid} has ended: it is a zombie, which its parent has not taken note of"
            return Blind(cause="ended", what=what, hint="name one that runs")
        if (note := _unseen(process)) is not None:
            return Blind(cause="closed", what=f"process {pid} could not be looked into", hint=_hint(note, pid), note=note)
    if not self_only and report.notes and not any(process.snapshot.go for process in report.processes):
        hint = "run as their user or as root, or name others with --pid"
        return Blind(cause="no-go", what="no Go process could be looked into", hint=hint, note=report.notes[0])
    failed = next((note for note in report.notes if note.kind == "failed"), None)
    if failed is not None:
        return Blind(cause="failed", what="a process could not be read", hint="name others with --pid, or --self", note=failed)
    return None


def blind_partly(report: Report) -> Blind | None:
    """What decides, and is not known of a process in the report; None if there is no such thing. A failure stands whatever this says."""
    for process in report.processes:
        if (note := _undecided(process)) is not None:
            pid = process.snapshot.process.pid
            what = f"process {pid} could not be looked into completely"
            return Blind(cause="partly", what=what, hint=_hint(note, pid), note=note)
    return None


def _hint(note: Note, pid: int) -> str:
    """What to try if that could not be seen of a process."""
    if note.privilege:
        return "run as its user or as root"
    if note.path == f"/proc/{pid}/cgroup":
        return "mount its cgroups where cgtune runs, at /sys/fs/cgroup, or look from the host"
    return "try again, or name another one with --pid"


def unseen_notes(report: Report) -> tuple[Note, ...]:
    """What whoever takes a report for clean has to know: what could not be read, which values were not found in the memory of a program,
    and that there are levels above a chain that shows no limit.
    """
    notes = list(report.notes)
    for process in report.processes:
        snapshot = process.snapshot
        is_limited = process.limits.cpu.limit_cores is not None and process.limits.memory.limit_bytes is not None
        is_read = all(setting.observed is not None for facts in snapshot.go for setting in facts.settings)
        memory = None if is_read else f"/proc/{snapshot.process.pid}/mem"
        kinds = ("failed",) if is_limited or not snapshot.go else ("failed", "hidden")
        notes += [note for note in process.notes if note.kind in kinds or note.path == memory]
    return tuple(dict.fromkeys(notes))


def _unseen(process: ProcessReport) -> Note | None:
    """What kept us from knowing whether a process is a Go program; None if that is known. The one place that knows which notes do so."""
    if process.snapshot.go:
        return None
    pid = process.snapshot.process.pid
    own = (f"/proc/{pid}/exe", f"/proc/{pid}/maps", process.snapshot.process.executable)
    notes = [note for note in process.notes if note.privilege or (note.kind == "failed" and note.path in own)]
    return next(iter(notes), None)


#: Files that show how it goes and that no rule hangs on, by the end of their path.
_DISPENSABLE = (
    *(".pressure", "/proc/pressure/cpu", "/proc/pressure/memory", "/cpu.weight", "/cpu.shares"),
    *("/cpuacct.usage", "/memory.peak", "/memory.max_usage_in_bytes"),
)
_MACHINE = (
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/sys/kernel/osrelease",
    "/sys/kernel/sched_ext/state",
    "/sys/kernel/sched_ext/root/ops",
)


def _undecided(process: ProcessReport) -> Note | None:
    """The first thing that a rule needs of this process and that could not be read; None if there is none.

    A missing privilege, for its memory perhaps, does no harm as long as each setting is known all the same. Of cgtune's own process
    nothing is judged.
    """
    snapshot = process.snapshot
    if snapshot.process.is_self and not snapshot.go:
        return None
    settings = [setting for facts in snapshot.go if not facts.derived.dies for setting in facts.settings]
    known = all(setting.observed is not None or setting.derived is not None for setting in settings)
    limits = ("/proc/self", f"/proc/{snapshot.process.pid}/cgroup", f"/proc/{snapshot.process.pid}/status")
    theirs = f"/proc/{snapshot.process.pid}/mountinfo"
    for note in process.notes:
        if note.kind != "failed" or note.path.endswith(_DISPENSABLE) or note.path in _MACHINE:
            continue
        is_limit = note.path in limits or (note.path.endswith("/mountinfo") and note.path != theirs)  # the reader's, which shows all limits
        if note.privilege and known and not is_limit:
            continue
        return note
    return None


def judge_report(report: Report, *, fail_on: FailOn, ignored: frozenset[str], window_seconds: float | None = None) -> Verdict:
    """The verdict on a report that has its findings. ``fail_on`` "harm" lets those fail that hurt now, whatever their severity."""
    processes = tuple(
        process.replace(findings=tuple(finding for finding in process.findings if finding.rule not in ignored))
        for process in report.processes
    )
    failures = [(process, finding) for process in processes for finding in process.findings if fails(finding, fail_on)]
    rules = tuple(describe_rule(rule) for rule in RULES if rule.ID not in ignored)
    return Verdict(
        report=report.replace(processes=processes),
        rules=rules,
        fail_on=fail_on,
        failures=tuple(sorted(failures, key=lambda pair: pair[1].urgency)),
        window_seconds=window_seconds,
    )


def judge_prediction(prediction: Prediction, *, fail_on: Severity) -> Verdict:
    """The same of predicted rows, each as a process. It has no time: the same question has the same answer tomorrow."""
    processes = tuple(row.process for row in prediction.rows)
    report = Report(version=__version__, time="", machine=prediction.snapshot.machine, processes=processes)
    return judge_report(report, fail_on=fail_on, ignored=frozenset())


def fails(finding: Finding, fail_on: FailOn) -> bool:
    """Whether a finding is so severe; to "harm" whether it hurts now."""
    if fail_on == "harm":
        return finding.harm == "now"
    return SEVERITIES.index(finding.severity) <= SEVERITIES.index(fail_on)


def exit_code(verdict: Verdict, style: str) -> int:
    """lint: 0, or 1 with a failure. nagios: 0, or 1 or 2 by the worst failure."""
    if not verdict.failures:
        return exits.CLEAN
    worst = min((finding for _, finding in verdict.failures), key=lambda finding: SEVERITIES.index(finding.severity))
    return _NAGIOS_CODES[worst.severity] if style == "nagios" else exits.FINDING


def failure_code(code: int, style: str) -> int:
    """The exit code if no verdict could be given; to nagios all of these are UNKNOWN."""
    return exits.NAGIOS_UNKNOWN if style == "nagios" else code
