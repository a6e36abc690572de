"""What a program says of itself at its metrics endpoint."""

from __future__ import annotations

import pytest

from cgtune.runtimes.go.observed.metrics import parse_go_metrics, with_metrics
from tests.rules.reports import go_facts

PROCS, LIMIT, GOGC = "go_sched_gomaxprocs_threads", "go_gc_gomemlimit_bytes", "go_gc_gogc_percent"


@pytest.mark.parametrize(
    ("page", "values"),
    [
        (f"# HELP {PROCS} Words.\n# TYPE {PROCS} gauge\n{PROCS} 4\n", {"GOMAXPROCS": 4}),
        (f"{LIMIT} 5.36870912e+08\n{GOGC} 50\n", {"GOMEMLIMIT": 512 << 20, "GOGC": 50}),
        (f"{LIMIT} 9.223372036854776e+18\n{GOGC} 1.8446744073709552e+19\n", {"GOMEMLIMIT": "off", "GOGC": "off"}),
        (f"{LIMIT} 0\n{GOGC} 0\n", {"GOMEMLIMIT": 0, "GOGC": 0}),
        (f'{PROCS}{{app="a b",note="}} 9"}} 4 1700000000000\r\n', {"GOMAXPROCS": 4}),
        (f'{PROCS}{{pod="a"}} 4\n{PROCS}{{pod="b"}} 4\n', {"GOMAXPROCS": 4}),
        (f'{PROCS}{{pod="a"}} 4\n{PROCS}{{pod="b"}} 8\n', {}),
        (f"{PROCS}\n{PROCS} \n{PROCS}{{}}\n{PROCS}{{ 4\n{PROCS} four\n{PROCS} NaN\n{PROCS} -1\n{PROCS} +Inf\n{PROCS}_total 4\n", {}),
        ("# TYPE go_gomaxprocs gauge\ngo_gomaxprocs 3\n", {"GOMAXPROCS": 3}),  # VictoriaMetrics' library
        ("", {}),
    ],
)
def test_what_client_golang_prints(page: str, values: dict[str, object]) -> None:
    """Plain and with labels; "off" is spelled as a huge number; nothing is taken from lines of another shape or from several programs."""
    assert parse_go_metrics(page) == values


def test_what_an_endpoint_adds_to_memory() -> None:
    """It fills what memory did not tell, a contradiction and a setting that it does not name are notes; equal values are neither."""
    facts, notes = with_metrics(go_facts(procs=4, memory="off", gogc=None), {"GOMAXPROCS": 3, "GOMEMLIMIT": "off", "GOGC": 100}, "http://x")
    found = {setting.name: (setting.observed, setting.observed_from) for setting in facts.settings}
    assert found == {"GOMAXPROCS": (4, "memory"), "GOMEMLIMIT": ("off", "memory"), "GOGC": (100, "metrics")}
    assert [note.why for note in notes] == ["the endpoint says GOMAXPROCS 3, the process's memory 4"]
    facts, notes = with_metrics(go_facts(), {}, "http://x")
    assert (facts, len(notes)) == (go_facts(), 3)
    assert {note.path for note in notes} == {"http://x"}
