"""Bytes, CPUs, settings, subjects, findings and notes as people read them: each is worded once, for all formats."""

from __future__ import annotations

from cgtune.numbers import format_limit
from cgtune.outputs.escape import escape_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cgtune.model import (
        Advice,
        Blind,
        Container,
        Finding,
        GoObserved,
        Harm,
        Kind,
        MemoryParts,
        Note,
        Off,
        Process,
        ProcessReport,
        Recommendation,
    )

_MOST_NAMES = 10
#: What is said of the harm of a finding; nothing if none was felt.
HARMS: dict[Harm, str] = {"now": "hurts now", "earlier": "hurt earlier", "possible": ""}
_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def format_bytes(count: int) -> str:
    """Bytes for people: `256 MiB`, `1.5 GiB`; exact if it is whole, else one digit after the point."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{count // size} {unit}" if count % size == 0 else f"{count / size:.1f} {unit}"
    return f"{count} B"


def format_cpu_list(cpus: frozenset[int]) -> str:
    """CPUs as the kernel writes them: `0-3,8`."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def format_setting(recommendation: Recommendation) -> str:
    """What to set the variable to, as Go reads it; "unset" if it is to be left alone."""
    if recommendation.value is None or not recommendation.set:
        return "unset"
    return format_limit(recommendation.value) if recommendation.name == "GOMEMLIMIT" else str(recommendation.value)


def format_value(name: str, value: int | Off) -> str:
    """A setting's value for people, short: GOMEMLIMIT in the largest unit in which it is exact; the others as they are."""
    if name != "GOMEMLIMIT" or value == "off":
        return str(value)
    if "." not in format_bytes(value):
        return format_bytes(value)
    return f"{value >> 20} MiB" if value % (1 << 20) == 0 else f"{value} B"


def format_parts(parts: MemoryParts) -> str:
    """What the kernel does not give back, by kind, as far as there is any; a kind may be part of another."""
    kinds = (
        ("anonymous", parts.anonymous_bytes),
        ("shared", parts.shared_bytes),
        ("locked", parts.unevictable_bytes),
        ("kernel", parts.kernel_bytes),
        ("dirty", (parts.dirty_bytes or 0) + (parts.writeback_bytes or 0)),
        ("swapped out", parts.swapped_bytes),
    )
    return ", ".join(f"{kind} {format_bytes(count)}" for kind, count in kinds if count)


def format_live(observed: GoObserved) -> Iterator[tuple[str, str]]:
    """Pairs of a label and what the collector, or the scheduler, counts; nothing of what is not known."""
    live = observed.live
    if live is None:
        return
    said = []
    if live.collections is not None:
        said.append(f"{live.collections or 'no'} collection{'s' * (live.collections != 1)} so far")
        if live.since_collection_seconds is not None:
            said[-1] += f", the last {_format_age(live.since_collection_seconds)} ago"
    if live.gc_cpu_fraction is not None:
        said.append(f"up to then they took {100 * live.gc_cpu_fraction:.1f} % of the CPU time that GOMAXPROCS gives")
    if live.heap_goal_bytes is not None:
        now = "" if observed.heap_live_bytes is None else f"heap {format_bytes(observed.heap_live_bytes)}, "
        said.append(f"{now}goal {'off' if live.heap_goal_bytes == 'off' else format_bytes(live.heap_goal_bytes)}")
    if said:
        yield "collector", "; ".join(said)
    said = [] if live.goroutines is None else [f"{live.goroutines}, {live.queued_goroutines or 'none'} of them in a run queue"]
    if live.idle_procs is not None:
        said.append(f"{live.idle_procs or 'no'} P{'s' * (live.idle_procs != 1)} idle")
    if said:
        yield "goroutines", "; ".join(said)


def _format_age(seconds: float) -> str:
    """A time that passed, in the largest unit of which there are two or more: `1.2 s`, `90 s`, `14 min`, `3 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for unit_seconds, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit_seconds:
            return f"{seconds / unit_seconds:.0f} {unit}"
    return f"{seconds:.0f} s"


def format_kills(kills: int, group_kills: int | None) -> str:
    """The kernel's two counters of OOM kills: `OOM kills 2, 1 of a whole group (its first victim counts twice)`."""
    return f"OOM kills {kills}" + (f", {group_kills} of a whole group (its first victim counts twice)" if group_kills else "")


def subject(process: ProcessReport) -> str:
    """Which process: `42 server (Go 1.24.11)`; without a number if it is not there, but predicted."""
    versions = ", ".join(escape_control(facts.program.name) for facts in process.snapshot.go)
    pid = process.snapshot.process.pid
    name = f"{pid} " * bool(pid) + escape_control(process.snapshot.process.command)
    return f"{name} ({versions.replace(', Go ', ', ')})" if versions else name


def urgency(report: ProcessReport) -> tuple[object, ...]:
    """Go programs before others, cgtune itself last; among them those with the worst findings first, else in the order given."""
    worst = min((finding.urgency for finding in report.findings), default=(len(HARMS), 0))
    return report.snapshot.process.is_self, not report.snapshot.go, worst


def charged_bytes(report: ProcessReport) -> int | None:
    """What is in use in the cgroup that a process is charged to, or charged to that, if it is not known what could be given back."""
    charged = report.snapshot.charged_level
    return None if charged is None else charged.current_bytes if charged.used_bytes is None else charged.used_bytes


def mean_cores(report: ProcessReport) -> float | None:
    """How many CPUs a process has used between two looks, or in the mean since its start; None if its CPU time or its age is not known."""
    rates = report.snapshot.rates
    if rates is not None and rates.used_cores is not None:
        return rates.used_cores
    used, age = report.snapshot.used, report.snapshot.process.age_seconds
    return None if used is None or not age else used.cpu_seconds / age


def present_value(report: ProcessReport, name: str) -> str:
    """What the environment of a process has for a variable; empty if it has none."""
    return (report.snapshot.go[0].derived.variable(name) or "") if report.snapshot.go else ""


def is_set_without_advice(report: ProcessReport, recommendation: Recommendation) -> bool:
    """Whether its environment has the variable and nothing better is known: not to recommend a value is no reason to take away this one."""
    name = recommendation.name
    advised = any(advice.variable == name for finding in report.findings for advice in finding.advice)
    ignored = any(name in facts.derived.ignored or facts.derived.dies for facts in report.snapshot.go)
    return recommendation.value is None and bool(present_value(report, name)) and not advised and not ignored


def container_words(container: Container) -> str:
    """Who runs a process, in one line; empty if nobody is known to."""
    if not (container.id or container.pod_uid or container.name):
        return ""
    pod = "/".join(name for name in (container.pod_namespace, container.pod_name) if name) or container.pod_uid
    names = (container.runtime, container.name, container.id and container.id[:12], container.pod_uid and f"pod {pod}")
    return escape_control(" ".join(name for name in names if name))


def container_name(container: Container) -> str:
    """The names that people gave, as `pod/container`, or else the first letters of the id; empty if there are none."""
    names = "/".join(name for name in (container.pod_name, container.name) if name)
    return escape_control(names or (container.id or "")[:12])


#: What people call a kind of program.
KINDS: dict[Kind, str] = {
    "go": "Go",
    "jvm": "Java (JVM)",
    "dotnet": ".NET",
    "node": "JavaScript",
    "python": "Python",
    "ruby": "Ruby",
    "php": "PHP",
    "perl": "Perl",
    "erlang": "Erlang",
    "emulated": "emulated",
    "other": "other",
}


def other_words(kind: Kind) -> str:
    """What a process is that holds no Go runtime."""
    if kind == "other":
        return "no Go program"
    return "a program for another processor, under an emulator; no Go program" if kind == "emulated" else f"{KINDS[kind]}, no Go program"


def advice_words(advice: Advice) -> str:
    """One act in one line: `set GOMAXPROCS=3: why`."""
    reason = escape_control(advice.reason)
    if advice.variable is None:
        return reason
    act = f"unset {advice.variable}" if advice.value is None else f"set {advice.variable}={advice.value}"
    return f"{escape_control(act)}: {reason}"


def finding_words(process: ProcessReport, finding: Finding) -> str:
    """A whole finding in one paragraph, for formats that have one text for it."""
    return f"{subject(process)}: {felt_words(finding)}{escape_control(finding.summary)}.{grounds_words(finding.evidence, finding.advice)}"


def grounds_words(evidence: Iterable[str], advice: Iterable[Advice]) -> str:
    """What shows a finding and what to do, as sentences behind its summary: ` Seen: GOMAXPROCS is 8. Do: set GOMAXPROCS=3: why.`"""
    seen = "".join(f" Seen: {escape_control(line)}." for line in evidence)
    return seen + "".join(f" Do: {advice_words(act)}." for act in advice)


def felt_words(finding: Finding) -> str:
    """What stands before the summary of a finding that was felt: `hurts now: `; empty for any other."""
    return f"{HARMS[finding.harm]}: " if HARMS[finding.harm] else ""


def rule_words(finding: Finding) -> str:
    """The rule, and whether it was felt: `cpu-throttled, hurts now`."""
    return f"{finding.rule}, {HARMS[finding.harm]}" if HARMS[finding.harm] else finding.rule


def is_felt(finding: Finding) -> bool:
    """Whether it hurt, now or earlier: then what would end it stands beside it, before what shows it."""
    return finding.harm != "possible"


def end_words(finding: Finding) -> str:
    """What would end a harm that was felt: `raise the CPU limit to 2 whole CPUs`; empty for any other finding."""
    return advice_words(finding.advice[0]) if is_felt(finding) and finding.advice else ""


def note_words(note: Note) -> str:
    """What could not be seen, and the privilege that would show it. Not escaped, as the path is not in it: whoever prints it does both."""
    return f"{note.why} (needs {note.privilege})" if note.privilege else note.why


def blind_words(blind: Blind) -> str:
    """Why there is no verdict, in one line, not escaped; the file is named for one process, of a search it is always /proc."""
    if blind.note is None:
        return blind.what
    return f"{blind.what}: {f'{blind.note.path}: ' * (blind.cause in ('closed', 'partly'))}{note_words(blind.note)}"


def machinery_words(machinery: Sequence[Process]) -> str:
    """How many of the node's own programs are left out, and which."""
    names = sorted({escape_control(process.command) for process in machinery})
    shown = ", ".join(names[:_MOST_NAMES]) + ", ..." * (len(names) > _MOST_NAMES)
    count = len(machinery)
    return f"left out: {count} process{'es' * (count > 1)} of the node's own machinery ({shown}); --machinery includes them"
