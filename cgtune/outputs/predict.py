"""Predictions: a table for people, and JSON of the schema cgtune/predict/v1 (cgtune/schemas/predict-v1.schema.json)."""

from __future__ import annotations

from cgtune.model import SEVERITIES, name_toolchain
from cgtune.numbers import format_cpus
from cgtune.outputs.escape import escape_control
from cgtune.outputs.layout import PLAIN, Sheet
from cgtune.outputs.words import format_bytes, format_setting, format_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import Off, PeriodStall, PredictedRow, Prediction, ProcessReport
    from cgtune.outputs.layout import Layout

SCHEMA = "cgtune/predict/v1"
_UNKNOWN = "?"


def render_predict_json(prediction: Prediction) -> str:
    """The whole prediction, indented, in ASCII; same question, same bytes."""
    from cgtune.outputs.json import process_content  # a table needs nothing of it
    from cgtune.outputs.jsontext import write_json

    rows = [_row_content(row) for row in prediction.rows]
    enforced = process_content(prediction.rows[0].process)["enforced"]
    return write_json({"schema": SCHEMA, "enforced": enforced, "rows": rows})


def render_predict(prediction: Prediction, layout: Layout = PLAIN) -> str:
    """What each version takes by itself and what to set, one line each; then why, what is wrong with it, and what is not known."""
    sheet = Sheet(layout)
    period_us = next((row.stall.period_us for row in prediction.rows if row.stall), None)
    stalls = "stalls" if period_us is None else f"stalls in {period_us / 1000:g} ms"
    columns = ["Go", "go line", "GOMAXPROCS", "set to", stalls, "GOMEMLIMIT", "set to"]
    cells = [columns, *(_cells(row) for row in prediction.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if layout.width is not None and 2 * len(widths) + sum(widths) > layout.width:
        columns[4], widths[4] = "stalls", max(len("stalls"), *(len(row[4]) for row in cells[1:]))
    gap = 1 if layout.width is not None and 2 * len(widths) + sum(widths) > layout.width else 2
    table = [(" " * gap).join(["", *row]) for row in _padded(cells, widths)]
    limits = _limits_line(prediction)
    lines = [limits] if layout.width is None else [line.strip() for line in sheet.wrapped("", limits)]
    lines += ["", layout.style("strong", table[0]), *table[1:]]
    for label, said in (("set", _reasons), ("finding", _findings), ("note", _notes)):
        grouped: dict[str, list[PredictedRow]] = {}
        for row in prediction.rows:
            for text in said(row):
                grouped.setdefault(text, []).append(row)
        lines += [""] * bool(grouped)
        for text, rows in grouped.items():
            versions = dict.fromkeys(escape_control(row.go) for row in rows)
            first, *more = sheet.wrapped(label, f"{name_toolchain(', '.join(versions))}: {escape_control(text)}")
            severity = text.partition(" ")[0]
            lines += [layout.style(severity, first) if label == "finding" and severity in SEVERITIES else first, *more]
    return "\n".join(lines) + "\n"


def _padded(rows: list[list[str]], widths: list[int]) -> Iterator[list[str]]:
    """The cells of the table: names to the left, values to the right. By hand, as tabulate costs as much as all the rest."""
    for cells in rows:
        yield [f"{cell:{'<' if place < 2 else '>'}{width}}" for place, (cell, width) in enumerate(zip(cells, widths, strict=True))]


def _row_content(row: PredictedRow) -> dict[str, object]:
    from cgtune.outputs.json import process_content

    process = process_content(row.process)
    facts, stall = row.process.snapshot.go[0], row.stall
    return {
        "go": escape_control(row.go),
        "language": row.language,
        "settings": process["settings"],
        "dies": None if facts.derived.dies is None else escape_control(facts.derived.dies),
        "findings": process["findings"],
        "program": process["go"],
        "stall": None if stall is None else _stall_content(stall),
        "notes": [escape_control(note) for note in row.notes],
    }


def _stall_content(stall: PeriodStall) -> dict[str, object]:
    return {
        "threads": stall.threads,
        "period_seconds": stall.period_us / 1e6,
        "runs_seconds": round(stall.runs_us / 1e6, 9),
        "stalls_seconds": round(stall.stalls_us / 1e6, 9),
    }


def _limits_line(prediction: Prediction) -> str:
    snapshot, limits = prediction.snapshot, prediction.limits
    cpus = len(snapshot.machine.online)
    all_cpus = f"{cpus} CPU{'s' * (cpus != 1)}"
    bandwidth = limits.cpu.binding.bandwidth if limits.cpu.binding is not None else None
    if bandwidth is None or limits.cpu.limit_cores is None:
        cpu = f"no CPU quota on {all_cpus}"
    else:
        cpu = f"{format_cpus(limits.cpu.limit_cores)} ({bandwidth.quota_us} of every {bandwidth.period_us} µs) on {all_cpus}"
    memory = "no memory limit" if limits.memory.limit_bytes is None else f"{format_bytes(limits.memory.limit_bytes)} of memory"
    return f"{cpu}, {memory}, cgroup {snapshot.machine.cgroup_mode}"


def _cells(row: PredictedRow) -> list[str]:
    facts = row.process.snapshot.go[0]
    derived = {setting.name: setting.derived for setting in facts.settings}
    unknown = "dies" if facts.derived.dies else _UNKNOWN
    procs, memory = derived["GOMAXPROCS"], derived["GOMEMLIMIT"]
    return [
        escape_control(row.go),
        row.language or "-",
        unknown if procs is None else str(procs),
        _recommended(row.process, "GOMAXPROCS"),
        _stall_cell(row, procs),
        unknown if memory is None else format_value("GOMEMLIMIT", memory),
        _recommended(row.process, "GOMEMLIMIT"),
    ]


def _stall_cell(row: PredictedRow, procs: int | Off | None) -> str:
    if row.stall is not None:
        return f"{row.stall.stalls_us / 1000:.1f} ms"
    return _UNKNOWN if procs is None else "none"


def _recommended(report: ProcessReport, name: str) -> str:
    recommendation = next((one for one in report.recommendations if one.name == name), None)
    return _UNKNOWN if recommendation is None else format_setting(recommendation)


def _reasons(row: PredictedRow) -> Iterator[str]:
    for one in row.process.recommendations:
        act = f"{one.name}={format_setting(one)}" if one.set and one.value is not None else f"leave {one.name} unset"
        act += ", but not by the variable" * one.overruled
        yield f"{act}: {_for_any_version(row, '; '.join(one.because))}"


def _findings(row: PredictedRow) -> Iterator[str]:
    facts = row.process.snapshot.go[0]
    if facts.derived.dies:
        yield f"dies at its start: {facts.derived.dies.splitlines()[-1]}"
    for finding in row.process.findings:
        yield f"{finding.severity} {finding.rule}: {_for_any_version(row, finding.summary)}"


def _for_any_version(row: PredictedRow, text: str) -> str:
    """A sentence without its row's version: the line begins with the versions, so that what several have in common is one line."""
    return text.replace(f"Go {row.go} ", "Go ").replace(f"Go {row.go}:", "Go:")


def _notes(row: PredictedRow) -> Iterator[str]:
    yield from row.notes
