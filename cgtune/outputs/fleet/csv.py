"""A fleet as comma-separated values (RFC 4180): one line a container, figures without units, which the header names."""

from __future__ import annotations

from cgtune.outputs.csvcells import csv_line
from cgtune.outputs.fleet.words import finding_line, recommended_words, sized_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cgtune.fleet.comparing import Since
    from cgtune.fleet.model import FleetReport, Row


def render_fleet_csv(report: FleetReport) -> str:
    """A header and one line a container. A text that a spreadsheet would take for a formula begins with an apostrophe."""
    rows = [_cells(row) for row in report.rows]
    return "".join(map(csv_line, (_HEAD, *(tuple(row.values()) for row in rows))))


def render_doctor_csv(report: FleetReport) -> str:
    """A header and a line for each gap, and for each question that was refused and each warning of the server."""
    lines = [("gap", gap.count, gap.why, gap.mend) for gap in report.not_joined]
    lines += [(kind, 1, text, "") for kind, texts in (("refused", report.refused), ("warning", report.warnings)) for text in texts]
    return "".join(map(csv_line, (("kind", "count", "why", "mend"), *lines)))


def render_since_csv(since: Since) -> str:
    """A header and a line for each container that changed; what the comparison lacks is a line without one, its verdict "note"."""
    notes = [*since.notes, *(f"not answered: {text}" for text in since.report.refused)]
    notes += [f"warning of the server: {text}" for text in since.report.warnings]
    rules = ((each, (each.fresh, each.worse, each.better, each.gone)) for each in since.moved)
    lines = [
        (*(value for _, value in each.key.items()), each.verdict, *map(" ".join, ids), "; ".join(each.measured)) for each, ids in rules
    ]
    lines += [("",) * 5 + ("note",) + ("",) * 4 + (note,) for note in notes]
    return "".join(map(csv_line, (_SINCE_HEAD, *lines)))


def _cells(row: Row) -> Mapping[str, object]:
    measured = row.measured
    sized = {each.what: sized_value(each) for each in row.sized}
    cells: dict[str, object] = {
        **dict(row.key.items()),
        "replicas": measured.replicas,
        "go": " ".join(measured.go),
        "container_aware": {True: "yes", False: "no", None: None}[measured.is_aware],
        "gomaxprocs_least": measured.least_procs,
        "gomaxprocs_most": measured.most_procs,
        "cpu_limit_cores": "none" if measured.is_cpu_unlimited else measured.cpu_limit_cores,
        "cpu_request_cores": measured.cpu_request_cores,
        "memory_limit_bytes": "none" if measured.is_memory_unlimited else measured.memory_limit_bytes,
        "memory_request_bytes": measured.memory_request_bytes,
        "gomemlimit_bytes": "off" if measured.is_gomemlimit_off else measured.gomemlimit_bytes,
        "gogc": "off" if measured.gogc == -1 else measured.gogc,
    }
    for name, span in (("cpu_cores", measured.cpu_used), ("memory_bytes", measured.memory_used), ("throttled_share", measured.throttled)):
        cells |= {f"{name}_p50": span.p50, f"{name}_p95": span.p95, f"{name}_max": span.most}
    cells |= {
        "live_heap_bytes": measured.live_heap_bytes,
        "gc_share": measured.gc_share,
        "oom_kills": measured.kills,
        "restarts": measured.restarts,
        "history_seconds": measured.history_seconds,
        "samples": measured.samples,
        "worst_severity": row.findings[0].severity if row.findings else None,
        "harm": row.findings[0].harm if row.findings else None,
        "rules": " ".join(finding.rule for finding in row.findings),
        "findings": "; ".join(map(finding_line, row.findings)),
        "set": "; ".join(recommended_words(row)),
    }
    for what in ("cpu-limit", "cpu-request", "memory-limit", "memory-request"):
        cells[f"recommended_{what.replace('-', '_')}"] = sized.get(what) or None
    cells |= {"wasted_cores": row.wasted_cores, "wasted_bytes": row.wasted_bytes, "upgrade": row.upgrade}
    return cells


_USED = tuple(f"{name}_{which}" for name in ("cpu_cores", "memory_bytes", "throttled_share") for which in ("p50", "p95", "max"))
_HEAD = (
    *("cluster", "namespace", "kind", "name", "container", "replicas", "go", "container_aware", "gomaxprocs_least", "gomaxprocs_most"),
    *("cpu_limit_cores", "cpu_request_cores", "memory_limit_bytes", "memory_request_bytes", "gomemlimit_bytes", "gogc", *_USED),
    *("live_heap_bytes", "gc_share", "oom_kills", "restarts", "history_seconds", "samples", "worst_severity", "harm", "rules"),
    *("findings", "set", "recommended_cpu_limit", "recommended_cpu_request", "recommended_memory_limit", "recommended_memory_request"),
    *("wasted_cores", "wasted_bytes", "upgrade"),
)
_SINCE_HEAD = ("cluster", "namespace", "kind", "name", "container", "verdict", "new", "worse", "better", "gone", "measured")
