"""What changes with another Go: a table for people, JSON of the schema cgtune/upgrade/v1, comma-separated values, Markdown."""

from __future__ import annotations

from cgtune.model import SEVERITIES
from cgtune.numbers import format_cores, format_limit
from cgtune.outputs.csvcells import csv_line
from cgtune.outputs.escape import escape_control
from cgtune.outputs.layout import PLAIN, Sheet
from cgtune.outputs.markdowncells import escape_markdown, markdown_code
from cgtune.outputs.words import format_bytes, format_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cgtune.advice.upgrade import Change, Side, Upgrade, UpgradeRow
    from cgtune.outputs.layout import Layout

SCHEMA = "cgtune/upgrade/v1"
_MOST_NAMES = 4
_SETTINGS = ("GOMAXPROCS", "GOMEMLIMIT", "GOGC")

#: The cell of a row, and how services that change so are counted in the first line: of one, of several.
_CHANGES: dict[Change, tuple[str, str, str]] = {
    "dies": ("dies", "dies at its start", "die at their start"),
    "fewer-threads": ("fewer", "loses threads", "lose threads"),
    "more-threads": ("more", "gains threads", "gain threads"),
    "starts": ("starts", "dies today and starts", "die today and start"),
    "unknown": ("?", "is not known", "are not known"),
    "none": ("same", "keeps its threads", "keep their threads"),
}


def render_upgrade(upgrade: Upgrade, layout: Layout = PLAIN) -> str:
    """One line a class of services, the worst first; then who they are, what keeps today's values, and what is found and not known."""
    sheet = Sheet(layout)
    cells = [_HEAD, *(_cells(number, row) for number, row in enumerate(upgrade.rows, start=1))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    table = [
        "  ".join(["", *(f"{cell:{'>' if place < 2 else '<'}{widths[place]}}" for place, cell in enumerate(row))]).rstrip() for row in cells
    ]
    head = _head_line(upgrade)
    lines = [head] if layout.width is None else [line.strip() for line in sheet.wrapped("", head)]
    lines += ["", layout.style("strong", table[0])]
    for row, line in zip(upgrade.rows, table[1:], strict=True):
        lines.append(line if row.severity is None else layout.style(row.severity, line))
    for label, said in (("who", _who), ("keep", _keep), ("pinned", _pinned), ("finding", _findings), ("note", _notes)):
        grouped: dict[str, list[int]] = {}
        for number, row in enumerate(upgrade.rows, start=1):
            for text in said(row):
                grouped.setdefault(text, []).append(number)
        lines += [""] * bool(grouped)
        for text, numbers in grouped.items():
            first, *more = sheet.wrapped(label, f"{_ranges(numbers)}: {escape_control(text)}")
            severity = text.split(" ")[0]
            lines += [layout.style(severity, first) if label == "finding" and severity in SEVERITIES else first, *more]
    lines += [""] * bool(upgrade.skipped)
    for text in upgrade.skipped:
        lines += sheet.wrapped("left out", escape_control(text))
    return "\n".join(lines) + "\n"


def render_upgrade_json(upgrade: Upgrade) -> str:
    """All of it, indented, in ASCII; same question, same bytes."""
    from cgtune.outputs.jsontext import write_json  # a table needs nothing of it

    content = {
        "schema": SCHEMA,
        "from": upgrade.old_go,
        "to": upgrade.new_go,
        "rows": [_row_content(row) for row in upgrade.rows],
        "cpus": upgrade.cpus,
        "cgroup": None if upgrade.cgroup is None else f"v{upgrade.cgroup}",
        "left_out": [escape_control(text) for text in upgrade.skipped],
    }
    return write_json(content)


def render_upgrade_csv(upgrade: Upgrade) -> str:
    """A header and one line a class (RFC 4180). A text that a spreadsheet would take for a formula begins with an apostrophe."""
    lines = [f"{_CSV_HEAD}\r\n"]
    for row in upgrade.rows:
        limits = row.new.process.limits
        values = (row.old.value("GOMAXPROCS"), row.new.value("GOMAXPROCS"), row.old.value("GOMEMLIMIT"), row.new.value("GOMEMLIMIT"))
        cells: tuple[object, ...] = (
            *(row.names[0], len(row.names), row.replicas, row.old.go, row.new.go, row.language),
            *(limits.cpu.limit_cores, len(limits.cpu.usable), limits.memory.limit_bytes, *values),
            *(row.change, row.severity, row.memory_margin_bytes, " ".join(row.keep), "; ".join(row.pinned)),
            *(" ".join(finding.rule for finding in row.fresh), "; ".join(row.notes), " ".join(row.names)),
        )
        lines.append(csv_line(cells))
    return "".join(lines)


def render_upgrade_markdown(upgrade: Upgrade) -> str:
    """A table for a pull request or a page, with what keeps today's values, and the notes below."""
    heads = (*_HEAD, "keep today's values with", "services")
    lines = [f"**{escape_markdown(_head_line(upgrade))}**", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for number, row in enumerate(upgrade.rows, start=1):
        keep = " ".join(markdown_code(line) for line in row.keep)
        lines.append(f"| {' | '.join([*map(escape_markdown, _cells(number, row)), keep, escape_markdown(next(iter(_who(row))))])} |")
    below = []
    for number, row in enumerate(upgrade.rows, start=1):
        below += [f"- {number}: {escape_markdown(escape_control(text))}" for said in (_pinned, _findings, _notes) for text in said(row)]
    below += [f"- left out: {escape_markdown(escape_control(text))}" for text in upgrade.skipped]
    return "\n".join([*lines, *([""] if below else []), *below]) + "\n"


_HEAD = ["#", "count", "Go", "CPUs", "memory", "GOMAXPROCS", "GOMEMLIMIT", "margin", "threads"]
_CSV_HEAD = (
    "name,count,replicas,from,to,language,cpu_limit_cores,cpus,memory_limit_bytes,from_gomaxprocs,to_gomaxprocs,from_gomemlimit,"
    "to_gomemlimit,change,severity,memory_margin_bytes,keep,pinned,new_findings,notes,names"
)


def _head_line(upgrade: Upgrade) -> str:
    counts = [(upgrade.count(change), words) for change, (_, *words) in _CHANGES.items()]
    said = ", ".join(f"{count} {words[count != 1]}" for count, words in counts if count)
    total = sum(len(row.names) for row in upgrade.rows)
    old = "" if upgrade.old_go is None else f"{escape_control(upgrade.old_go)} "
    node = ""
    if upgrade.cpus is not None:
        own = " of this machine (--cpus names those of another)" * upgrade.is_own_node
        node = f" on {upgrade.cpus} CPU{'s' * (upgrade.cpus != 1)}{own}, cgroup v{upgrade.cgroup}"
    kinds = f"{total} service{'s' * (total != 1)} of {len(upgrade.rows)} kind{'s' * (len(upgrade.rows) != 1)}"
    return f"Go {old}to {escape_control(upgrade.new_go)}{node}: {kinds}; {said}"


def _cells(number: int, row: UpgradeRow) -> list[str]:
    limits, margin = row.new.process.limits, row.memory_margin_bytes
    return [
        str(number),
        str(len(row.names)),
        escape_control(row.old.go) + ("" if row.language is None else f" (go {row.language})"),
        "-" if limits.cpu.limit_cores is None else format_cores(limits.cpu.limit_cores),
        "-" if limits.memory.limit_bytes is None else format_bytes(limits.memory.limit_bytes),
        _both(row, "GOMAXPROCS"),
        _both(row, "GOMEMLIMIT"),
        "-" if margin is None else f"-{format_bytes(-margin)}" if margin < 0 else format_bytes(margin),
        _CHANGES[row.change][0],
    ]


def _both(row: UpgradeRow, name: str) -> str:
    old, new = _shown(row.old, name), _shown(row.new, name)
    return old if old == new else f"{old} → {new}"


def _shown(side: Side, name: str) -> str:
    value = side.value(name)
    return ("dies" if side.dies is not None else "?") if value is None else format_value(name, value)


def _ranges(numbers: list[int]) -> str:
    from cgtune.outputs.words import format_cpu_list

    return format_cpu_list(frozenset(numbers)).replace(",", ", ")


def _who(row: UpgradeRow) -> Iterator[str]:
    more = len(row.names) - _MOST_NAMES
    yield ", ".join(row.names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _keep(row: UpgradeRow) -> Iterator[str]:
    if row.keep:
        yield f"{' '.join(_limit_words(line) for line in row.keep)} keeps today's values"
    elif row.changed and row.change not in ("starts", "unknown"):
        yield "no variable keeps today's values: keep its Go, or look at what is said below"


def _limit_words(line: str) -> str:
    """A memory limit with its unit, as people write it."""
    name, _, value = line.partition("=")
    return f"{name}={format_limit(int(value))}" if name == "GOMEMLIMIT" and value.isdigit() else line


def _pinned(row: UpgradeRow) -> Iterable[str]:
    return row.pinned


def _findings(row: UpgradeRow) -> Iterator[str]:
    if row.new.dies is not None:
        yield f"dies at its start: {row.new.dies.splitlines()[-1]}"
    for finding in row.fresh:
        yield f"{finding.severity} {finding.rule}, new: {finding.summary}"
    old = [finding.rule for finding in row.new.process.findings if finding not in row.fresh]
    if old:
        yield f"as today: {', '.join(old)}"
    if row.gone:
        yield f"no more: {', '.join(row.gone)}"


def _notes(row: UpgradeRow) -> Iterable[str]:
    return row.notes


def _row_content(row: UpgradeRow) -> dict[str, object]:
    limits = row.new.process.limits
    from cgtune.outputs.json import finding_content

    return {
        "name": escape_control(row.names[0]),
        "count": len(row.names),
        "cpu_limit_cores": limits.cpu.limit_cores,
        "memory_limit_bytes": limits.memory.limit_bytes,
        "from": _side_content(row.old),
        "to": _side_content(row.new),
        "change": row.change,
        "keep": [escape_control(line) for line in row.keep],
        "findings": [finding_content(finding) | {"new": finding in row.fresh} for finding in row.new.process.findings],
        "names": [escape_control(name) for name in row.names],
        "replicas": row.replicas,
        "language": row.language,
        "usable_cpus": len(limits.cpu.usable),
        "severity": row.severity,
        "changed": list(row.changed),
        "pinned": [escape_control(text) for text in row.pinned],
        "memory_margin_bytes": row.memory_margin_bytes,
        "ended": list(row.gone),
        "notes": [escape_control(text) for text in row.notes],
    }


def _side_content(side: Side) -> dict[str, object]:
    values = {name: side.value(name) for name in _SETTINGS}
    return {"go": escape_control(side.go), **values, "dies": None if side.dies is None else escape_control(side.dies)}
