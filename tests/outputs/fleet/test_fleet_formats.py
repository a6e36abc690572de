"""A fleet in each format: figures, findings, what was not joined, and nothing that a label or a server says steers who reads it."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import jsonschema
import pytest

from cgtune.commands.schema import render_schema
from cgtune.fleet.comparing import compare, parse_old
from cgtune.fleet.model import FleetReport, Scope
from cgtune.outputs import load_renderer, names_of
from cgtune.outputs.escape import escape_control
from cgtune.outputs.fleet.words import bytes_words, format_age, sized_value, waste_words
from cgtune.outputs.layout import Layout
from tests.commands.test_check import validate_sarif
from tests.support.fleetreports import BARE, CART, GAP, HOSTILE, HOSTILE_REPORT, KILLED, MIB, ORDERS, SIZED, WHOLE, report_of


def rendered(report: FleetReport, name: str) -> str:
    """The report in a format of fleet."""
    return load_renderer("fleet", name)(report)


def valid(text: str) -> Any:
    """The JSON, held against its schema."""
    content = json.loads(text)
    jsonschema.validate(content, json.loads(render_schema("fleet")), jsonschema.Draft202012Validator)
    return content


@pytest.mark.parametrize("name", names_of("fleet"))
def test_each_format_names_each_workload_and_finding(name: str) -> None:
    """No format leaves a container out; those with room for findings name the rules of all."""
    text = rendered(WHOLE, name)
    assert text.endswith("\n")
    for row in WHOLE.rows if name != "sarif" else (ORDERS, CART):
        assert row.key.name in text
    assert all(rule in text for rule in ("cpu-throttled", "gomemlimit-unset"))
    assert ("oom-killed" in text) == (name != "table")


@pytest.mark.parametrize("name", [name for name in names_of("fleet") if name not in ("csv", "sarif")])
def test_what_could_not_be_told_is_told(name: str) -> None:
    """What was not joined stands there with what mends it, and so do refused questions and the server's warnings."""
    text = rendered(WHOLE.replace(refused=("owner: too many samples",), warnings=("partial response",)), name).replace("\\", "")
    assert all(said in text for said in (GAP.why, GAP.mend, "owner: too many samples", "partial response"))


@pytest.mark.parametrize("name", names_of("fleet --doctor"))
def test_the_doctor_in_each_format(name: str) -> None:
    """Each gap with its count and its mend, and warnings; hostile words are text; that nothing is missing is said but in CSV."""
    text = load_renderer("fleet --doctor", name)(report_of(warnings=("partial response",))).replace("\\", "")
    assert [said for said in ("7", GAP.why, GAP.mend, "partial response") if said not in text] == []
    hostile = load_renderer("fleet --doctor", name)(HOSTILE_REPORT.replace(rows=()))
    assert not {"\x1b", "\u202e"} & {*hostile}
    assert not re.search(r"(?<!\\)<img", hostile) or name != "markdown"
    if name in ("table", "markdown"):
        assert "nothing is missing" in load_renderer("fleet --doctor", name)(report_of(not_joined=()))


@pytest.mark.parametrize("name", names_of("fleet"))
def test_hostile_names_are_text(name: str) -> None:
    """No control character, no markup, no line of its own comes of a label, a reason or a server's words."""
    text = rendered(HOSTILE_REPORT, name)
    assert "\x1b" not in text
    assert "\u202e" not in text
    if name == "html":
        assert "<img" not in text
    if name == "markdown":
        assert "\\<img" in text
        assert not re.search(r"(?<!\\)<img", text)


@pytest.mark.parametrize("name", ["table", "markdown", "html"])
def test_a_name_that_no_object_has_does_not_widen_everything(name: str) -> None:
    """64 KiB in a label are shown by their ends: a table is as wide as its widest cell. What Kubernetes takes stands whole."""
    whole, long = "w" * 253, "b" * 65536
    fields = {"namespace": whole, "kind": long, "name": long, "container": long}
    report = report_of(ORDERS.replace(key=ORDERS.key.replace(**fields), measured=ORDERS.measured.replace(go=(long,))), CART)
    text = rendered(report, name)
    assert len(text) < 8 * len(rendered(WHOLE, name)) + 20_000
    assert whole in text
    assert f"{'b' * 100}...{'b' * 100}" in text
    assert rendered(report, "json").count(long) == 4


def test_the_table_is_as_wide_as_the_terminal() -> None:
    """No line of the table is wider; what has no room is named; workload, throttling and finding stay longest."""
    for width in (60, 80, 100, 140, 200):
        lines = load_renderer("fleet", "table")(WHOLE, Layout(width=width)).splitlines()
        assert max(map(len, lines)) <= width
        whole = "\n".join(lines)
        assert "shop/Deployment/orders" in whole
        assert ("no room for" in whole) == (width < 150)
        assert "raise the CPU limit to 2 CPUs" in whole


def test_colours_are_round_the_worst_finding() -> None:
    """Heads are strong, the finding has its severity's colour; without the colours it is the same text. What is not known is a ?."""
    plain = load_renderer("fleet", "table")(WHOLE)
    coloured = load_renderer("fleet", "table")(WHOLE, Layout(colour=True))
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    assert re.search(r"\x1b\[[\d;]+mwarning cpu-throttled, hurts now\x1b\[0m", coloured)
    unknown = report_of(BARE.replace(measured=BARE.measured.replace(go=())))
    assert re.search(r"shop/edge +- +\? +\? +\? +\? / \? / none", load_renderer("fleet", "table")(unknown))


def test_the_table_shows_the_worst_alone_if_asked() -> None:
    """--top 1: one row, and how many more there are; the head counts all."""
    text = load_renderer("fleet", "table")(WHOLE, Layout(top=1))
    assert "orders" in text
    assert "cart" not in text
    assert "and 2 more: --top 3 shows them" in text
    assert text.startswith(
        "1 hurts now, 1 may hurt, of 3 Go containers; Prometheus 2.42.0, 7 days until 2026-11-29T08:00:00Z, 14 requests\n"
    )


def test_json_is_valid_and_whole() -> None:
    """By its schema; hostile and empty reports are, too. NaN and infinity are null."""
    content = valid(rendered(WHOLE, "json"))
    first = content["workloads"][0]
    assert first["settings"] == {"GOMAXPROCS": {"least": 2, "most": 64}, "GOMEMLIMIT": "off", "GOGC": 100, "container_aware": None}
    assert first["recommended"]["sized"][0]["value"] == 1.85
    assert first["used"]["throttled_share"] == {"p50": 0.22, "p95": 0.4, "max": 0.8}
    for report in (HOSTILE_REPORT, report_of(), report_of(ORDERS.replace(wasted_cores=float("nan"), wasted_bytes=float("inf")))):
        content = valid(rendered(report, "json"))
    assert content["workloads"][0]["wasted_cores"] is content["workloads"][0]["wasted_bytes"] is None


def test_csv_is_a_table_of_figures() -> None:
    """Each row has as many cells as the header; a text that begins as a formula does not."""
    rows = list(csv.DictReader(io.StringIO(rendered(WHOLE, "csv"), newline="")))
    assert [row["name"] for row in rows] == ["orders", "cart", "edge"]
    assert (rows[0]["recommended_cpu_limit"], rows[0]["recommended_memory_limit"], rows[0]["recommended_memory_request"]) == (
        "1850m",
        "640Mi",
        "",
    )
    assert (rows[2]["cpu_limit_cores"], rows[0]["gomemlimit_bytes"], rows[0]["oom_kills"]) == ("none", "off", "3")
    assert all(None not in row and None not in row.values() for row in rows)
    hostile = list(csv.DictReader(io.StringIO(rendered(HOSTILE_REPORT, "csv"), newline="")))
    assert len(hostile) == 1
    assert hostile[0]["namespace"].startswith("'=a")


def test_sarif_is_valid_and_keeps_its_identity() -> None:
    """By the schema of SARIF; a finding's fingerprint is its rule and its container, whatever the figures are."""
    for report in (WHOLE, HOSTILE_REPORT):
        validate_sarif(rendered(report, "sarif"))
    first, again = (
        json.loads(rendered(report, "sarif"))["runs"][0]["results"][0]["partialFingerprints"]
        for report in (report_of(ORDERS), report_of(ORDERS.replace(measured=ORDERS.measured.replace(kills=9))))
    )
    assert first == again == {"cgtuneFleet/v1": "cpu-throttled shop/Deployment/orders, container server"}


def test_values_are_as_kubernetes_takes_them() -> None:
    """CPUs in whole thousandths, rounded up; memory in Mi if it is whole."""
    sized = SIZED[0]
    values = {1.85: "1850m", 2.0: "2", 0.0104: "11m", 1.1: "1100m"}
    assert {value: sized_value(sized.replace(value=value)) for value in values} == values
    assert sized_value(sized.replace(what="memory-limit", value=3.0 * MIB + 1)) == "3145729"
    assert (bytes_words(-3.0 * MIB), bytes_words(None)) == ("-3 MiB", "?")
    assert [format_age(seconds) for seconds in (604800, 86400, 129600, 3600, 90)] == ["7 days", "1 day", "36 h", "1 h", "90 s"]


def test_what_is_wasted_is_added_up() -> None:
    """Over all rows, too much apart from too little, and nothing of what is not known or even."""
    assert waste_words((ORDERS, CART)) == "requests, all replicas: 1.2 CPUs too much and 0.15 CPUs too little; 96 MiB of memory too much"
    assert waste_words((ORDERS.replace(wasted_cores=0.0),)) == ""


def test_what_is_of_low_confidence_is_not_added_up() -> None:
    """It is counted instead, each resource by itself; what has no value is neither."""
    unsure = CART.replace(sized=tuple(each.replace(confidence="low") for each in CART.sized))
    half = CART.replace(sized=(CART.sized[0].replace(confidence="low"), CART.sized[1]))
    assert waste_words((ORDERS, unsure, half)) == (
        "requests, all replicas: 0.15 CPUs too little; 96 MiB of memory too much;"
        " not added, as of low confidence: CPUs of 2 containers, memory of 1 container"
    )
    assert waste_words((unsure,)) == "requests, all replicas: not added, as of low confidence: CPUs of 1 container, memory of 1 container"
    assert waste_words((ORDERS.replace(wasted_cores=None),)) == ""


def test_better_and_worse_since() -> None:
    """By rule and by what was measured; who came and who went is told; what is the same is counted."""
    old = parse_old(rendered(report_of(ORDERS, CART), "json"), "old.json")
    calm = ORDERS.measured.replace(kills=0, throttled=ORDERS.measured.throttled.replace(p95=0.1))
    since = compare(report_of(ORDERS.replace(findings=(), measured=calm), CART), old)
    assert [(moved.key.name, moved.verdict, moved.gone) for moved in since.moved] == [("orders", "better", ("cpu-throttled", "oom-killed"))]
    assert since.moved[0].measured == ("throttled at the 95th percentile: 40.0% before, 10.0% now", "OOM kills: 3 before, 0 now")
    worse = compare(report_of(CART.replace(findings=(KILLED, *CART.findings))), old)
    assert [(moved.key.name, moved.verdict, moved.fresh) for moved in worse.moved] == [
        ("cart", "worse", ("oom-killed",)),
        ("orders", "gone", ()),
    ]
    assert "1 got worse, 1 went, 0 as before" in load_renderer("fleet --diff", "table")(worse)
    assert compare(report_of(ORDERS, CART), old).same == 2
    harder = compare(report_of(CART.replace(findings=(CART.findings[0].replace(harm="now"),)), ORDERS), old)
    assert (harder.moved[0].verdict, harder.moved[0].worse) == ("worse", ("gomemlimit-unset",))
    content = valid(load_renderer("fleet --diff", "json")(worse))
    assert [each["verdict"] for each in content["since"]["workloads"]] == ["worse", "gone"]


def test_what_was_refused_is_no_improvement() -> None:
    """A finding that is gone because a question was refused, or over another window, is told with that."""
    old = parse_old(rendered(report_of(ORDERS), "json"), "old.json")
    since = compare(report_of(ORDERS.replace(findings=()), refused=("throttled: timeout",), window_seconds=86400.0), old)
    for name in names_of("fleet --diff"):
        text = load_renderer("fleet --diff", name)(since)
        assert "questions were refused for this report" in text
        assert "the older report is of 604800 s, this one of 86400 s" in text
        assert "throttled: timeout" in text


def test_a_comparison_in_each_format() -> None:
    """Each names who changed, how, by which rules and figures; JSON is valid, and CSV has as many cells in each line."""
    old = parse_old(rendered(report_of(ORDERS, CART), "json"), "old.json")
    calm = ORDERS.measured.replace(kills=0)
    since = compare(report_of(ORDERS.replace(findings=ORDERS.findings[:1], measured=calm), BARE, warnings=("partial response",)), old)
    for name in names_of("fleet --diff"):
        text = load_renderer("fleet --diff", name)(since).replace("\\", "")
        said = ("shop", "orders", "better", "oom-killed", "OOM kills: 3 before, 0 now", "edge", "new", "cart", "gone", "partial response")
        assert [word for word in said if word not in text] == []
    rows = list(csv.DictReader(io.StringIO(load_renderer("fleet --diff", "csv")(since), newline="")))
    assert [(row["name"], row["verdict"], row["gone"]) for row in rows] == [
        ("edge", "new", ""),
        ("orders", "better", "oom-killed"),
        ("cart", "gone", "gomemlimit-unset"),
        ("", "note", ""),
    ]
    assert all(None not in row and None not in row.values() for row in rows)
    valid(load_renderer("fleet --diff", "json")(since))


def test_only_what_both_reports_are_about_is_compared() -> None:
    """A container of a namespace that was not asked about has neither come nor gone, nor has a finding that was ignored; it is said."""
    pay = CART.replace(key=CART.key.replace(namespace="pay"))
    whole, shop = report_of(ORDERS, pay), report_of(ORDERS, scope=Scope(namespaces=("shop",)))
    for now, before in ((shop, whole), (whole, shop)):
        since = compare(now, parse_old(rendered(before, "json"), "old.json"))
        assert (since.moved, since.same) == ((), 1)
        assert since.notes == ("containers that only one of the reports was asked about, by --namespace: 1; they are not compared",)
    calm = report_of(ORDERS.replace(findings=ORDERS.findings[:1]), scope=Scope(ignored=("oom-killed",)))
    for now, before in ((calm, report_of(ORDERS)), (report_of(ORDERS), calm)):
        since = compare(now, parse_old(rendered(before, "json"), "old.json"))
        assert (since.moved, since.same, since.notes) == ((), 1, ("--ignore is not the same: oom-killed is not compared",))
    (note,) = compare(report_of(ORDERS, scope=Scope(selector='cluster="eu"')), parse_old(rendered(report_of(ORDERS), "json"), "old")).notes
    assert note.startswith('another --selector (none before, cluster="eu" now)')
    content = json.loads(rendered(whole, "json"))
    del content["asked"]  # as an older version wrote it
    assert compare(whole, parse_old(json.dumps(content), "old.json")).notes == ()
    (_, note) = compare(shop, parse_old(json.dumps(content), "old.json")).notes
    assert "does not say what it was asked about" in note


def test_a_hostile_name_is_the_same_name_in_the_next_report() -> None:
    """JSON has its control characters as codes, and so is it compared."""
    since = compare(HOSTILE_REPORT, parse_old(rendered(HOSTILE_REPORT, "json"), "old.json"), escape_control)
    assert (since.moved, since.same) == ((), 1)


def test_hostile_words_in_an_older_report() -> None:
    """What an older file says reaches no terminal as it is."""
    old = json.loads(rendered(WHOLE, "json"))
    old["time"] = HOSTILE
    old["workloads"][0]["name"] = HOSTILE
    since = compare(WHOLE, parse_old(json.dumps(old), "old.json"))
    for name in names_of("fleet --diff"):
        assert "\x1b" not in load_renderer("fleet --diff", name)(since)
