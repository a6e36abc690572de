"""What a runtime's collector and scheduler count, as people and programs get it: what is known, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from cgtune.limits import enforce
from cgtune.model import GoLive, GoObserved, Report
from cgtune.outputs.json import render_json
from cgtune.outputs.prometheus import render_report
from cgtune.outputs.table import render_table
from cgtune.outputs.words import format_live
from tests.outputs.test_prometheus import machine_report, names, read, value
from tests.rules.reports import MIB, go_facts, report as process_report

SCHEMA = json.loads((Path(__file__).parents[2] / "cgtune" / "schemas" / "report-v1.schema.json").read_text())
LIVE = GoLive(
    heap_goal_bytes=18 * MIB,
    collections=12,
    forced_collections=3,
    last_collection_unix_seconds=1_700_000_000.5,
    since_collection_seconds=95.25,
    paused_seconds=0.125,
    gc_cpu_fraction=0.25,
    gc_cpu_seconds=2.5,
    cpu_seconds=10.0,
    goroutines=503,
    queued_goroutines=7,
    idle_procs=2,
)


def _report(live: GoLive | None) -> Report:
    process = process_report(go_facts(live=live, heap_live_bytes=9 * MIB))
    return machine_report(process.replace(limits=enforce(process.snapshot)))


COLLECTOR = (
    "12 collections so far, the last 95 s ago; up to then they took 25.0 % of the CPU time that GOMAXPROCS gives; heap 9 MiB, goal 18 MiB"
)


@pytest.mark.parametrize(
    ("live", "collector", "goroutines"),
    [
        (LIVE, COLLECTOR, "503, 7 of them in a run queue; 2 Ps idle"),
        (
            GoLive(heap_goal_bytes="off", collections=0, forced_collections=0, goroutines=1, queued_goroutines=0, idle_procs=0),
            "no collections so far; heap 9 MiB, goal off",
            "1, none of them in a run queue; no Ps idle",
        ),
        (GoLive(collections=1, since_collection_seconds=0.04, idle_procs=1), "1 collection so far, the last 0.0 s ago", "1 P idle"),
        (GoLive(collections=2, since_collection_seconds=7200.0), "2 collections so far, the last 2 h ago", None),
        (GoLive(collections=2, since_collection_seconds=864000.0), "2 collections so far, the last 10 days ago", None),
        (GoLive(), None, None),
        (None, None, None),
    ],
)
def test_the_two_lines(live: GoLive | None, collector: str | None, goroutines: str | None) -> None:
    """One of the collector and one of the scheduler, of that what is known; neither if nothing is."""
    said = {label: text for label, text in (("collector", collector), ("goroutines", goroutines)) if text is not None}
    assert dict(format_live(GoObserved(pinned=None, heap_live_bytes=9 * MIB, live=live))) == said
    text = render_table(_report(live))
    assert [label for label in ("collector", "goroutines") if f"\n  {label} " in text] == list(said)


@pytest.mark.parametrize("live", [LIVE, GoLive(), GoLive(heap_goal_bytes="off", collections=0), None])
def test_the_document_has_every_count(live: GoLive | None) -> None:
    """All fields under their names, null where not known; and the schema takes it."""
    document = json.loads(render_json(_report(live)))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    (process,) = document["processes"]
    assert process["go"]["live"] == (None if live is None else {name: getattr(live, name) for name in GoLive._fields})


@pytest.mark.parametrize("openmetrics", [False, True])
def test_every_count_is_a_series(openmetrics: bool) -> None:
    """Counters and gauges of what is known, +Inf for a goal that is off, and no series for what is not known."""
    samples = read(render_report(_report(LIVE), openmetrics=openmetrics), openmetrics=openmetrics)
    expected = {
        "heap_live_bytes": 9 * MIB,
        "heap_goal_bytes": 18 * MIB,
        "collections_total": 12,
        "forced_collections_total": 3,
        "last_collection_timestamp_seconds": 1_700_000_000.5,
        "gc_cpu_seconds_total": 2.5,
        "cpu_seconds_total": 10,
        "goroutines": 503,
        "queued_goroutines": 7,
        "idle_procs": 2,
    }
    assert {name: value(samples, f"cgtune_go_{name}") for name in expected} == expected
    off = read(render_report(_report(GoLive(heap_goal_bytes="off")), openmetrics=openmetrics), openmetrics=openmetrics)
    assert value(off, "cgtune_go_heap_goal_bytes") == float("inf")
    none = names(read(render_report(_report(None), openmetrics=openmetrics), openmetrics=openmetrics))
    assert {name for name in none if name.startswith("cgtune_go_")} == {
        "cgtune_go_info",
        "cgtune_go_processes",
        "cgtune_go_heap_live_bytes",
    }
