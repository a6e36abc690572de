"""What was used, in words: between two looks, or since the start."""

from __future__ import annotations

import json

import jsonschema
import pytest

from cgtune.model import ProcessReport, Report, Throttling, Used
from cgtune.outputs.brief import brief_lines
from cgtune.outputs.json import render_json
from cgtune.outputs.layout import PLAIN
from cgtune.outputs.ps import render_ps
from cgtune.outputs.rates import used_texts
from cgtune.outputs.table import render_table
from cgtune.rates import rates_between, total
from tests.rules.reports import go_facts, report as process_report, watched
from tests.support.command import ROOT
from tests.test_rates import look


def _made(**after: object) -> ProcessReport:
    """A process under half a CPU that was looked at twice, ten seconds apart."""
    made = process_report(go_facts(), cores=0.5)
    before, now = look(), look(110.0, **{"used": 52.0, "waited": 13.2, **after})  # type: ignore[arg-type]
    return made.replace(snapshot=now.replace(rates=rates_between(total(before), total(now))))


def _report(*processes: ProcessReport) -> Report:
    return Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=processes[0].snapshot.machine, processes=processes)


def test_a_window_is_told_against_the_quota() -> None:
    """CPUs of those that the quota allows, the share of stopped periods, pressure, waiting, kills, and the machine."""
    made = _made(counters=(1100, 598, 35.0), waits=((42, 5.0),), kills=4, busy=516.0)
    waited = "its threads waited 50 % of the time that they could run"
    assert list(used_texts(made)) == [
        (f"used 0.2 of 0.5 CPUs over 10 s, throttled in 98 % of the periods, CPU pressure 62 %, {waited}", True),
        ("OOM kills 2 in 10 s, in /pod/app", True),
        ("machine: 1.6 of 8 CPUs busy, 0.16 taken by its host, CPU pressure 62 %", False),
    ]


def test_three_lines_have_the_windows_two_numbers() -> None:
    """Instead of the counters since the cgroup was made, which tell of another time."""
    made = _made(counters=(1100, 598, 35.0))
    wide = PLAIN.replace(width=140)
    _, second, _ = brief_lines(made, wide)
    assert "; used 0.2 CPUs, throttled in 98 % of the periods over 10 s" in second
    once = made.replace(snapshot=made.snapshot.replace(rates=None))
    assert "; throttled in 54.4 % of 1100 periods" in brief_lines(once, wide)[1]


def test_a_quiet_window_is_short() -> None:
    """What did not happen takes no words."""
    made = _made(used=50.0, waited=7.0, counters=(1000, 500, 30.0), busy=500.0)
    assert list(used_texts(made)) == [("used 0 of 0.5 CPUs over 10 s", False), ("machine: 0 of 8 CPUs busy, CPU pressure 0.0 %", False)]


@pytest.mark.parametrize(
    ("collections", "percent", "words"),
    [(12, 4.0, "12 collections, which took 4 % of the CPU time under GOMAXPROCS"), (0, None, ""), (3, None, ""), (None, None, "")],
)
def test_what_the_collector_did_meanwhile(collections: int | None, percent: float | None, words: str) -> None:
    """How often it ran and what it took, if it ran and both are known."""
    made = _made(used=50.0, waited=7.0, counters=(1000, 500, 30.0), busy=500.0)
    assert made.snapshot.rates is not None
    rates = made.snapshot.rates.replace(collections=collections, gc_cpu_percent=percent)
    ((text, _), *_) = used_texts(made.replace(snapshot=made.snapshot.replace(rates=rates)))
    assert text == ", ".join(filter(None, ("used 0 of 0.5 CPUs over 10 s", words)))


def test_others_under_the_quota_are_told_apart() -> None:
    """The quota is used by all below it: how much of that is the process's own."""
    made = _made()
    rates = made.snapshot.rates
    assert rates is not None
    made = made.replace(snapshot=made.snapshot.replace(rates=rates.replace(used_cores=0.05)))
    ((text, _), *_) = used_texts(made)
    assert text.startswith("used 0.2 of 0.5 CPUs over 10 s, 0.05 of that by this process")
    busy = rates.replace(used_cores=9.75, cpu=tuple(rate.replace(used_cores=10.0) for rate in rates.cpu))
    ((text, _), *_) = used_texts(made.replace(snapshot=made.snapshot.replace(rates=busy)))
    assert "of that by this process" not in text  # two files are not read at one moment


def test_a_quota_whose_use_is_counted_nowhere_leaves_the_process() -> None:
    """v1's cpu and cpuacct apart: the window is told all the same, and that the rest under the quota is not known."""
    made = _made(counters=(1100, 598, 35.0))
    rates = made.snapshot.rates
    assert rates is not None
    nowhere = rates.replace(cpu=tuple(rate.replace(used_cores=None) for rate in rates.cpu))
    made = made.replace(snapshot=made.snapshot.replace(rates=nowhere))
    ((text, _), *_) = used_texts(made)
    assert text.startswith("this process used 0.2 CPUs (all under its quota: not known) over 10 s, throttled in 98 % of the periods")
    told = "; this process used 0.2 CPUs, throttled in 98 % of the periods over 10 s"
    assert told in brief_lines(made, PLAIN.replace(width=140))[1]


def test_without_a_quota_it_is_the_process_alone() -> None:
    """Its cgroup may be the whole machine."""
    free = process_report(go_facts())
    made = _made()
    ((text, _), *_) = used_texts(made.replace(limits=free.limits))
    assert text.startswith("used 0.2 CPUs over 10 s")


@pytest.mark.parametrize(
    ("age", "waits", "text"),
    [
        (None, (), "CPU time 12.3 s since its start"),
        (246.0, (), "CPU time 12.3 s since its start, 0.05 CPUs on average"),
        (12.3, (), "CPU time 12.3 s since its start, 1 CPU on average"),
        (246.0, ((42, 1.5), (43, 2.5)), "CPU time 12.3 s since its start, 0.05 CPUs on average; its threads waited 4.0 s for a CPU"),
    ],
)
def test_without_a_window_totals_are_told(age: float | None, waits: tuple[tuple[int, float], ...], text: str) -> None:
    """Since the start of the process, as far as that is known."""
    made = process_report(go_facts(), cores=0.5)
    used = Used(cpu_seconds=12.3, major_faults=0, threads=2, waits=waits)
    snapshot = made.snapshot.replace(used=used, process=made.snapshot.process.replace(age_seconds=age))
    assert list(used_texts(made.replace(snapshot=snapshot))) == [(text, False)]
    table = "".join(render_table(_report(made.replace(snapshot=snapshot))).split())
    assert "".join(text.split()) in table
    assert list(used_texts(made)) == []


def test_ps_has_columns_for_a_window() -> None:
    """CPUs used and the share of throttled periods, if two looks were taken; neither if one was."""
    made = _made(counters=(1100, 598, 35.0))
    header, second, row = render_ps(_report(made)).splitlines()
    assert (header.split()[-4:], second.split()[-2:]) == (["CPU", "periods", "worst", "finding"], ["used", "throttled"])
    assert row.split()[-4:] == ["0.20", "98", "%", "-"]
    assert "throttled" not in render_ps(_report(process_report(go_facts())))
    unknown = watched(process_report(go_facts()), None)
    assert render_ps(_report(unknown)).splitlines()[2].split()[-3:] == ["?", "-", "-"]


def test_json_has_every_rate() -> None:
    """By the schema, and rounded to what can be told; null if it was looked at once."""
    made = _made(counters=(1100, 598, 35.0), waits=((42, 5.0),), kills=4, highs=9, busy=516.0)
    content = json.loads(render_json(_report(made, process_report(go_facts()))))
    schema = json.loads((ROOT / "cgtune/schemas/report-v1.schema.json").read_text())
    jsonschema.validate(content, schema)
    rates, none = (process["rates"] for process in content["processes"])
    assert none is None
    assert (rates["seconds"], rates["used_cores"], rates["waiting_threads"], rates["waiting_percent"]) == (10, 0.2, 0.2, 50)
    place = {"path": "/pod/app", "version": 2, "directory": "/sys/fs/cgroup/pod/app"}
    counters = {"periods": 100, "throttled_periods": 98, "throttled_seconds": 5, "bursts": None, "burst_seconds": None}
    assert rates["cpu"] == [place | counters | {"seconds": 10, "used_cores": 0.2, "throttled_percent": 98}]
    assert rates["pressure"][0]["cpu_some_percent"] == 62
    assert rates["memory"] == [place | {"seconds": 10, "refaults_per_second": 0, "oom_kills": 2, "high_events": 6, "max_events": 0}]
    assert rates["machine"] == {
        "seconds": 10,
        "busy_cores": 1.6,
        "steal_cores": 0.16,
        "cpu_some_percent": 62,
        "memory_some_percent": None,
        "busiest": [],
        "busiest_seconds": 0.0,
    }
    assert set(schema["$defs"]["rates"]["properties"]) == set(rates)
    for name in ("cpu", "pressure", "memory"):
        assert set(schema["$defs"][f"{name}_rate"]["properties"]) == set(rates[name][0])


def test_a_first_look_of_a_service_has_no_words() -> None:
    """Nothing happened in no time: the totals are told."""
    made = process_report(go_facts(), cores=0.5)
    now = look()
    made = made.replace(snapshot=now.replace(rates=rates_between(total(now), total(now))))
    assert [text for text, _ in used_texts(made)] == [
        "CPU time 50.0 s since its start, 0.014 CPUs on average; its threads waited 3.0 s for a CPU"
    ]
    throttling = Throttling(periods=10, throttled_periods=10, throttled_seconds=1.0)
    assert next(iter(used_texts(watched(made, throttling))))[0].startswith("throttled in 100 % of the periods")
