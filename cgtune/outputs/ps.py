"""The Go processes, one line each."""

from __future__ import annotations

from cgtune.numbers import format_cores
from cgtune.outputs.escape import escape_control
from cgtune.outputs.table import is_set_without_advice
from cgtune.outputs.words import KINDS, format_bytes, format_setting, machinery_words, note_words, rule_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import Container, Kind, Level, Note, Off, ProcessReport, Report

# The two lines of each header, and to which side the column goes
_COLUMNS = (
    ("pid", "", ">"),
    ("command", "", "<"),
    ("container", "", "<"),
    ("Go", "", "<"),
    ("GOMAXPROCS", "now / derived / set", "<"),
    ("GOMEMLIMIT", "now / derived / set", "<"),
    ("CPU", "limit", ">"),
    ("memory", "limit", ">"),
    ("worst finding", "", "<"),
)
_HEADER_ROOM = 2  # a column is wider than its header, by so much at least
_UNKNOWN = "?"
_NAME_WIDTH = 15
_CONTAINER_WIDTH = 40  # a pod's name ends with what tells it from others


def render_ps(report: Report) -> str:
    """One line for each Go process, under a line of headers; what could not be seen follows."""
    lines = lay_out([_row(process) for process in report.processes]) if report.processes else ["no Go process can be seen from here"]
    if report.others:
        lines.append(_others_words(report.others))
    lines += [f"not seen: {escape_control(note_words(note))}" for note in report.notes]
    if report.machinery:
        lines.append(machinery_words(report.machinery))
    return "\n".join(lines) + "\n"


def _others_words(others: Sequence[tuple[Kind, int]]) -> str:
    """How many processes hold no Go runtime: `14 others are no Go programs: 3 Python, 1 Java (JVM), 10 other`."""
    total = sum(count for _, count in others)
    shares = ", ".join(f"{count} {KINDS[kind]}" for kind, count in others)
    return f"{total} other{'s are no Go programs' if total > 1 else ' is no Go program'}: {shares}"


def lay_out(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of the table, headers first; ``rows`` hold one line of text a column. By hand: tabulate costs four bare starts."""
    first, second, sides = zip(*_COLUMNS, strict=True)
    headers = [max(map(len, pair)) + _HEADER_ROOM for pair in zip(first, second, strict=True)]
    texts = [[cell.strip() for cell in row] for row in rows]
    widths = [max(header, *map(len, column)) for header, column in zip(headers, zip(*texts, strict=True), strict=True)]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in (first, second, *texts)
    ]


def _row(report: ProcessReport) -> list[str]:
    process, facts = report.snapshot.process, report.snapshot.go[0]
    more = f" (+{len(report.snapshot.go) - 1})" if len(report.snapshot.go) > 1 else ""
    cores, limit = report.limits.cpu.limit_cores, report.limits.memory.limit_bytes
    return [
        str(process.pid),
        escape_control(process.command)[:_NAME_WIDTH],
        _container(report.snapshot.container),
        escape_control(facts.program.version) + more,
        _triple(report, "GOMAXPROCS"),
        _triple(report, "GOMEMLIMIT"),
        _no_limit(report.snapshot.cpu_chain, report.unread_quotas) if cores is None else format_cores(cores),
        _no_limit(report.snapshot.memory_chain, report.unread_memory_limits) if limit is None else format_bytes(limit),
        f"{report.findings[0].severity} {rule_words(report.findings[0])}" if report.findings else "-",
    ]


def _no_limit(chain: Sequence[Level], unread: Sequence[Note]) -> str:
    """What stands for a limit if there is none, as far as can be seen; "?" if nothing can."""
    return "max" if chain and not unread else _UNKNOWN


def _container(container: Container) -> str:
    """The names that people gave, as `pod/container`, or else the first letters of the id."""
    names = "/".join(name for name in (container.pod_name, container.name) if name)
    return escape_control(names)[-_CONTAINER_WIDTH:] if names else (container.id or "-")[:12]


def _triple(report: ProcessReport, name: str) -> str:
    setting = next(setting for setting in report.snapshot.go[0].settings if setting.name == name)
    advised = next((recommendation for recommendation in report.recommendations if recommendation.name == name), None)
    recommended = _UNKNOWN if advised is None else format_setting(advised)
    if advised is not None and is_set_without_advice(report, advised):
        recommended = "as it is"
    return f"{_value(name, setting.observed)} / {_value(name, setting.derived)} / {recommended}"


def _value(name: str, value: int | Off | None) -> str:
    if value is None:
        return _UNKNOWN
    return format_bytes(value) if name == "GOMEMLIMIT" and value != "off" else str(value)
