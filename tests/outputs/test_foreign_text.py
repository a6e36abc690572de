"""Text of others in every place of every document, in every format: what reads that format finds the same shape as without it."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from cgtune.advice.comparing import judge_upgrade
from cgtune.advice.upgrade import Upgrade
from cgtune.api import predict
from cgtune.commands.terminal import fail
from cgtune.fleet.comparing import compare, parse_old
from cgtune.lint.model import LintReport
from cgtune.model import Note, Policy, Report
from cgtune.outputs import FORMATS, Format, is_for_people, load_renderer
from cgtune.outputs.fleet.json import render_fleet_json
from cgtune.outputs.layout import Layout
from cgtune.outputs.nagios import render_unknown
from cgtune.outputs.prometheus import render_report
from cgtune.records import Record
from cgtune.rules import judge_all
from cgtune.service.journal import _JsonFormatter, _TextFormatter
from cgtune.verdict import judge_prediction, judge_report
from tests.advice.test_comparing import judge, service
from tests.rules.reports import MIB, go_facts, memory_level, report as process_report
from tests.support.fleetreports import ORDERS, WHOLE, report_of
from tests.support.foreigntext import NASTY, SHAPES, assert_steers_nothing, json_shape
from tests.support.lintreports import EXCEEDS, UNQUOTED, report_of as lint_report_of

_OURS = {  # what we have written ourselves, and what code branches on
    *("Finding.rule", "RuleText.id", "RuleText.summary", "RuleText.help", "GoSetting.name", "Recommendation.name", "Report.version"),
    *("Report.time", "Report.go_checked", "FleetReport.version", "LintReport.version", "LintFinding.rule", "PredictedRow.go"),
    *("Advice.variable", "Machine.cgroup_mode", "Cgroups.mode", "GoSetting.observed_from", "Process.state", "Process.start_time"),
    *("GoProgram.linked", "Container.runtime", "Snapshot.unsupported", "Pressure.scope", "Note.privilege", "Finding.symptoms"),
    *("Upgrade.old_go", "Upgrade.new_go", "UpgradeRow.gone", "Moved.gone", "Edit.text"),
}


def plant(value: Any, text: str, kind: str = "str") -> Any:
    """The same with this text in every field that may hold any text."""
    if isinstance(value, Record):
        return value.replace(**{name: plant(each, text, _kind(type(value), name)) for name, each in value.items()})
    if isinstance(value, tuple):
        return tuple(plant(each, text, kind) for each in value)
    if isinstance(value, str) and re.search(r"\bstr\b|\bPairs\b", kind):
        return text
    return value


def _kind(record: type[Record], name: str) -> str:
    """How a field was declared; empty if it is ours."""
    owner = next(each for each in record.__mro__ if name in inspect.get_annotations(each))
    return "" if f"{owner.__name__}.{name}" in _OURS else str(inspect.get_annotations(owner)[name])


@functools.cache
def _report() -> Report:
    """A process with every kind of fact that a report may have, and findings."""
    facts = go_facts(
        minor=24,
        procs=8,
        variables={"GOMAXPROCS": "8", "GODEBUG": "a=b"},
        modules={"example.com/other": "v1.2.3", "go.uber.org/automaxprocs": "v1.5.2"},
    )
    levels = (memory_level("/pod/app", 512 * MIB), memory_level("/pod", None))
    made = process_report(facts, cores=0.5, throttled=(20, 400), memory=levels, oom_kills=1)
    snapshot = made.snapshot.replace(
        notes=(Note(path="/proc/1/exe", why="permission denied", privilege="CAP_SYS_PTRACE", kind="failed"),),
        container=made.snapshot.container.replace(id="0" * 64, name="app", pod_name="web-1", pod_namespace="shop", pod_uid="u"),
    )
    made = made.replace(snapshot=snapshot)
    made = made.replace(findings=judge_all(made, Policy()))
    return Report(version="0.1.0", machine=snapshot.machine, processes=(made,), time="2026-11-23T12:00:00Z", notes=snapshot.notes)


def _lint() -> LintReport:
    return lint_report_of(EXCEEDS, UNQUOTED, skipped=())


#: What a command hands to its formats.
DOCUMENTS: Mapping[str, Callable[[], Any]] = {
    "inspect": _report,
    "ps": _report,
    "check": lambda: judge_report(_report(), fail_on="info", ignored=frozenset()),
    "predict": lambda: predict(cpu_limit="0.5", memory_limit="512Mi", cpus=8, go="1.24", env=("GODEBUG=a=b",)),
    "upgrade": lambda: Upgrade(
        old_go="1.24",
        new_go="1.27",
        rows=judge_upgrade([service("1.24", "1.27", ("GODEBUG=a=b",), name="web", cpu_limit="2")], judge),
        cpus=64,
        cgroup=2,
        skipped=("b",),
    ),
    "fleet": lambda: WHOLE,
    "fleet --doctor": lambda: WHOLE,
    "fleet --diff": lambda: compare(report_of(ORDERS.replace(findings=())), parse_old(render_fleet_json(WHOLE), "old.json")),
    "lint": _lint,
    "lint --statistics": _lint,
}


def _render(row: Format, text: str) -> str:
    document = DOCUMENTS[row.command]()
    if row.command == "predict" and row.name in ("csv", "markdown"):
        document = DOCUMENTS["upgrade"]()
    elif row.command == "predict" and row.name in ("sarif", "junit"):
        document = judge_prediction(document, fail_on="info")
    planted = plant(document, text)
    return load_renderer(row.command, row.name)(planted, *((Layout(width=100),) if is_for_people(row.command, row.name) else ()))


@functools.cache
def _honest_shape(row: Format) -> object:
    return SHAPES[row.name](_render(row, "honest"))


def _assert_is_contained(row: Format, text: str) -> None:
    said = _render(row, text)
    assert_steers_nothing(said)
    assert SHAPES[row.name](said) == _honest_shape(row)


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("row", FORMATS, ids=lambda row: f"{row.command} {row.name}")
def test_no_text_leaves_its_place(row: Format, name: str) -> None:
    """Every field that may hold text of others holds this one: the format's own reader finds the same records, no line steers."""
    _assert_is_contained(row, NASTY[name])


@settings(max_examples=6, deadline=None)
@given(
    st.text(
        st.one_of(st.sampled_from("\x00\x1b\x9b\u202e\u2028\udc80\n\r\t|`\"'<>&%:;,=\\{}[]()#*_ "), st.characters(codec="utf-8")),
        min_size=1,
        max_size=40,
    )
)
def test_no_text_at_all_leaves_its_place(text: str) -> None:
    """The same of any text, in every format."""
    for row in FORMATS:
        _assert_is_contained(row, text)


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("openmetrics", [False, True])
def test_no_text_makes_a_sample(name: str, openmetrics: bool) -> None:
    """On /metrics and in a textfile every name is a label's value: the same samples with the same labels, for Prometheus's own parsers."""

    def shape(text: str) -> object:
        page = bytes(render_report(plant(_report(), text), openmetrics=openmetrics)).decode()
        assert all(line.isprintable() for line in page.split("\n"))
        families = (parse_openmetrics if openmetrics else parse_prometheus)(
            page if not openmetrics or page.endswith("# EOF\n") else f"{page}# EOF\n"
        )
        return [(sample.name, sorted(sample.labels), sample.value) for family in families for sample in family.samples]

    assert shape(NASTY[name]) == shape("honest")


@pytest.mark.parametrize("name", NASTY)
def test_no_text_makes_a_line_of_a_failure_or_of_a_log(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a message quotes, it is one line: on stderr, for a monitoring, in the log of the service."""
    text = NASTY[name]
    fail(f"/proc/1/{text}: permission denied", 3)
    assert _is_one_line(render_unknown(text))
    assert "|" not in render_unknown(text)
    record = logging.LogRecord("cgtune", logging.INFO, "", 0, "%s", (text,), None)
    record.__dict__.update(event="process-came", fields={"command": text, "pid": 1})
    told = _JsonFormatter().format(record)
    assert list(json.loads(told)) == ["time", "level", "event", "message", "command", "pid"]
    json_shape(json.loads(told))
    for said in (capsys.readouterr().err, f"{told}\n", f"{_TextFormatter().format(record)}\n"):
        assert _is_one_line(said), said


def _is_one_line(text: str) -> bool:
    return text.endswith("\n") and text[:-1].isprintable()
