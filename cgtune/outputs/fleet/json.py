"""A fleet as JSON, schema cgtune/fleet/v1 (cgtune/schemas/fleet-v1.schema.json): same answers, same bytes."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.json import finding_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.fleet.comparing import Moved, Since
    from cgtune.fleet.model import FleetReport, Measured, Row, Sized, Span
    from cgtune.model import Recommendation

    Json = dict[str, object]

SCHEMA = "cgtune/fleet/v1"


def render_fleet_json(report: FleetReport) -> str:
    """The whole report, indented, in ASCII."""
    return _dump(fleet_content(report))


def render_since_json(since: Since) -> str:
    """The report, and in `since` what got better or worse."""
    moved = [_moved_content(each) for each in since.moved]
    was: Json = {"time": escape_control(since.old_time), "window_seconds": _number(since.old_window_seconds), "workloads": moved}
    was["notes"] = _texts(since.notes)
    return _dump(fleet_content(since.report) | {"since": was})


def _dump(content: Json) -> str:
    import json

    return json.dumps(content, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def fleet_content(report: FleetReport) -> Json:
    """The document."""
    scope = report.scope
    return {
        "schema": SCHEMA,
        "cgtune": report.version,
        "time": escape_control(report.time),
        "window_seconds": _number(report.window_seconds),
        "engine": escape_control(report.engine),
        "queries": report.queries,
        "asked": {
            "namespaces": _texts(scope.namespaces),
            "selector": escape_control(scope.selector),
            "ignored": _texts(scope.ignored),
        },
        "not_joined": [{"why": escape_control(gap.why), "count": gap.count, "mend": escape_control(gap.mend)} for gap in report.not_joined],
        "warnings": _texts(report.warnings),
        "refused": _texts(report.refused),
        "workloads": [_row(row) for row in report.rows],
    }


def _row(row: Row) -> Json:
    measured = row.measured
    return {
        **{name: escape_control(str(value)) for name, value in row.key.items()},
        "replicas": measured.replicas,
        "go": _texts(measured.go),
        "enforced": {
            "cpu_limit_cores": _number(measured.cpu_limit_cores),
            "cpu_unlimited": measured.is_cpu_unlimited,
            "cpu_request_cores": _number(measured.cpu_request_cores),
            "memory_limit_bytes": measured.memory_limit_bytes,
            "memory_unlimited": measured.is_memory_unlimited,
            "memory_request_bytes": measured.memory_request_bytes,
            "resized": measured.is_resized,
            "node_cpus": measured.node_cpus,
        },
        "settings": {
            "GOMAXPROCS": {"least": measured.least_procs, "most": measured.most_procs},
            "GOMEMLIMIT": "off" if measured.is_gomemlimit_off else measured.gomemlimit_bytes,
            "GOGC": "off" if measured.gogc == -1 else measured.gogc,
            "container_aware": measured.is_aware,
        },
        "used": _used(measured),
        "recommended": {
            "now": [_recommendation(each) for each in row.recommendations],
            "sized": [_sized(each) for each in row.sized],
            "with_sized": [_recommendation(each) for each in row.under_sized],
        },
        "wasted_cores": _number(row.wasted_cores),
        "wasted_bytes": _number(row.wasted_bytes),
        "upgrade": None if row.upgrade is None else escape_control(row.upgrade),
        "findings": [finding_content(finding) for finding in row.findings],
    }


def _used(measured: Measured) -> Json:
    return {
        "cpu_cores": _span(measured.cpu_used),
        "memory_bytes": _span(measured.memory_used),
        "last_day": {"cpu_cores": _span(measured.cpu_recent), "memory_bytes": _span(measured.memory_recent)},
        "throttled_share": _span(measured.throttled),
        "live_heap_bytes": measured.live_heap_bytes,
        "gc_share": _number(measured.gc_share),
        "oom_kills": measured.kills,
        "restarts": measured.restarts,
        "history_seconds": _number(measured.history_seconds),
        "samples": measured.samples,
        "sources": _texts(measured.sources),
        "series": {escape_control(name): escape_control(series) for name, series in measured.series},
    }


def _span(span: Span) -> Json:
    return {"p50": _number(span.p50), "p95": _number(span.p95), "max": _number(span.most)}


def _recommendation(each: Recommendation) -> Json:
    return {
        "variable": each.name,
        "value": each.value,
        "set": each.set,
        "because": _texts(each.because),
        "doubt": None if each.doubt is None else escape_control(each.doubt),
    }


def _sized(sized: Sized) -> Json:
    return {"what": sized.what, "value": _number(sized.value), "because": _texts(sized.because), "confidence": sized.confidence}


def _moved_content(moved: Moved) -> Json:
    return {
        **{name: escape_control(str(value)) for name, value in moved.key.items()},
        "verdict": moved.verdict,
        "new": _texts(moved.fresh),
        "worse": _texts(moved.worse),
        "better": _texts(moved.better),
        "gone": _texts(moved.gone),
        "measured": _texts(moved.measured),
    }


def _texts(texts: Iterable[str]) -> list[str]:
    return [escape_control(text) for text in texts]


def _number(value: float | None) -> float | None:
    """JSON has neither NaN nor infinity: what is no number is not known."""
    return None if value is None or not abs(value) < float("inf") else value
