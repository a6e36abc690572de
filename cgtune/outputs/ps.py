"""The Go processes, one line each."""

from __future__ import annotations

from cgtune.numbers import format_cores
from cgtune.outputs.columns import Column, fit, lay_out_columns
from cgtune.outputs.escape import escape_control
from cgtune.outputs.layout import HEADER_ROOM
from cgtune.outputs.rates import throttled_percent
from cgtune.outputs.words import (
    KINDS,
    charged_bytes,
    container_name,
    end_words,
    format_bytes,
    format_setting,
    is_set_without_advice,
    machinery_words,
    mean_cores,
    note_words,
    rule_words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import Kind, Level, Note, Off, ProcessReport, Report
    from cgtune.outputs.layout import Layout


_FINDING = Column(first="worst finding", least=20, grows=0, is_sought=True)
_COLUMNS: tuple[Column, ...] = (
    Column(first="pid", side=">"),
    Column(first="command", least=9, grows=1),
    Column(first="container", least=14, leaves=5, grows=2, keeps_end=True),
    Column(first="Go", leaves=1),
    Column(first="GOMAXPROCS", second="now / derived / set", leaves=4),
    Column(first="GOMEMLIMIT", second="now / derived / set", leaves=3),
    Column(first="CPU", second="limit", side=">", leaves=2),
    Column(first="memory", second="limit", side=">", leaves=2),
    _FINDING,
)
#: By what the list is sorted, beside the columns that are always there.
_SORTED = {"cpu": Column(first="CPU", second="used", side=">"), "memory": Column(first="memory", second="in use", side=">")}
#: If two looks were taken.
_WINDOW = (_SORTED["cpu"], Column(first="periods", second="throttled", side=">", leaves=6))
#: If one of them hurts, or hurt. It has a line of its own below its process if there is no room for all of it.
_END = Column(first="harm and", second="what ends it", leaves=0)
_UNKNOWN = "?"
_NAME_WIDTH = 15
_CONTAINER_WIDTH = 40  # a pod's name ends with what tells it from others


def render_ps(report: Report, layout: Layout | None = None) -> str:
    """One line for each Go process, under a line of headers; what could not be seen follows."""
    lines = _table(report, layout) if report.processes else ["no Go process can be seen from here"]
    if report.others:
        lines += _folded(_others_words(report.others), layout)
    for note in report.notes:
        lines += _folded(f"not seen: {escape_control(note_words(note))}", layout)
    unread = [process for process in report.processes if any(note.kind == "failed" for note in process.notes)]
    if unread:
        lines += _folded(_unread_words([process.snapshot.process.pid for process in unread]), layout)
    if report.machinery:
        lines += _folded(machinery_words(report.machinery), layout)
    return "\n".join(lines) + "\n"


def _table(report: Report, layout: Layout | None) -> list[str]:
    columns, rows = list(_COLUMNS), [_row(process) for process in report.processes]
    sort = None if layout is None else layout.sort
    if any(process.snapshot.rates is not None for process in report.processes):
        columns[-1:-1] = _WINDOW
        for process, row in zip(report.processes, rows, strict=True):
            row[-1:-1] = [_used(process, "cpu"), _throttled(process)]
        sort = None if sort == "cpu" else sort  # it stands there
    if sort in _SORTED:
        columns.insert(-1, _SORTED[sort])
        for process, row in zip(report.processes, rows, strict=True):
            row.insert(-1, _used(process, sort))
    ends = [_end(process) for process in report.processes]
    if any(ends):
        columns.append(_END)
        rows = [[*row, end] for row, end in zip(rows, ends, strict=True)]
    if layout is None:
        return lay_out_columns(rows, columns)
    shown = list(range(len(columns))) if layout.width is None else fit(columns, rows, layout.width)
    header_room = HEADER_ROOM if layout.width is None else 0
    lines = lay_out_columns([[row[place] for place in shown] for row in rows], [columns[place] for place in shown], header_room)
    if layout.colour:
        lines[:2] = [layout.style("strong", line) for line in lines[:2]]
        for place, (process, row) in enumerate(zip(report.processes, rows, strict=True), 2):
            if process.findings:
                before, finding, after = lines[place].rpartition(row[columns.index(_FINDING)])
                lines[place] = f"{before}{layout.style(process.findings[0].severity, finding)}{after}"
    if any(ends) and columns.index(_END) not in shown:
        lines = [*lines[:2], *(line for row, end in zip(lines[2:], ends, strict=True) for line in (row, *_below(end, rows, layout)))]
    gone = (column for place, column in enumerate(columns) if place not in shown and column is not _END)
    left_out = [column.name for column in gone]
    if left_out:
        lines += _folded(f"no room for {', '.join(left_out)}: widen the terminal, or cgtune ps | cat", layout)
    return lines


def _folded(text: str, layout: Layout | None) -> list[str]:
    if layout is None or layout.width is None:
        return [text]
    from cgtune.outputs.layout import fold

    return list(fold(text, layout.width))


def _unread_words(pids: Sequence[int]) -> str:
    """Of which processes something could not be read: what stands in their lines may be less than there is."""
    of = f"process {pids[0]}" if len(pids) == 1 else f"{len(pids)} processes, {pids[0]} one of them"
    return f"not seen: files of {of}; cgtune inspect --pid {pids[0]} names them"


def _others_words(others: Sequence[tuple[Kind, int]]) -> str:
    """How many processes hold no Go runtime: `14 others are no Go programs: 3 Python, 1 Java (JVM), 10 other`."""
    total = sum(count for _, count in others)
    shares = ", ".join(f"{count} {KINDS[kind]}" for kind, count in others)
    return f"{total} other{'s are no Go programs' if total > 1 else ' is no Go program'}: {shares}"


def _row(report: ProcessReport) -> list[str]:
    process, facts = report.snapshot.process, report.snapshot.go[0]
    more = f" (+{len(report.snapshot.go) - 1})" if len(report.snapshot.go) > 1 else ""
    cores, limit = report.limits.cpu.limit_cores, report.limits.memory.limit_bytes
    return [
        str(process.pid),
        escape_control(process.command)[:_NAME_WIDTH],
        container_name(report.snapshot.container)[-_CONTAINER_WIDTH:] or "-",
        escape_control(facts.program.version) + more,
        _triple(report, "GOMAXPROCS"),
        _triple(report, "GOMEMLIMIT"),
        _no_limit(report.snapshot.cpu_chain, report.unread_quotas) if cores is None else format_cores(cores),
        _no_limit(report.snapshot.memory_chain, report.unread_memory_limits) if limit is None else format_bytes(limit),
        f"{report.findings[0].severity} {rule_words(report.findings[0])}" if report.findings else "-",
    ]


def _end(report: ProcessReport) -> str:
    """What was felt and what would end it: `oom-killed: set GOMEMLIMIT=48MiB`; empty if nothing was."""
    worst = report.findings[0] if report.findings else None
    return f"{(worst.symptoms or (worst.rule,))[0]}: {end_words(worst)}" if worst is not None and end_words(worst) else ""


def _below(end: str, rows: Sequence[Sequence[str]], layout: Layout) -> list[str]:
    """What ends a harm on lines of its own, set in as the commands are."""
    return _folded(f"{'':{max(len(row[0]) for row in rows) + 2}}> {end}", layout) if end else []


def _used(report: ProcessReport, what: str | None) -> str:
    used = mean_cores(report) if what == "cpu" else charged_bytes(report)
    return _UNKNOWN if used is None else f"{used:.2f}" if what == "cpu" else format_bytes(int(used))


def _throttled(report: ProcessReport) -> str:
    share = throttled_percent(report)
    return "-" if share is None else f"{share:.0f} %"


def _no_limit(chain: Sequence[Level], unread: Sequence[Note]) -> str:
    """What stands for a limit if there is none, as far as can be seen; "?" if nothing can."""
    return "max" if chain and not unread else _UNKNOWN


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
