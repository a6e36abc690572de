"""The rules and the dashboard, held against Prometheus' own tools and against what cgtune serve exposes."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgtune.model import ProcessReport
from tests.support import kubernetes, stories
from tests.support.command import ROOT
from tests.support.needs import require
from tests.support.serving import Service, parse_metrics

PROMETHEUS = ROOT / "deploy" / "prometheus"
_RULES = PROMETHEUS / "cgtune.rules.yaml"
_BOARD = json.loads((ROOT / "deploy" / "grafana" / "cgtune.json").read_text())
_TARGET_LABELS = {"job", "instance"}


def _promtool(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    require(shutil.which("promtool"), "apt-get install --no-install-recommends prometheus")
    return subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, timeout=60, check=False)


def _rules() -> list[dict[str, Any]]:
    (file,) = kubernetes.read_objects(_RULES.read_text())
    return [rule for group in file["groups"] for rule in group["rules"]]


def board_expressions() -> list[str]:
    """Each query of the dashboard as Grafana sends it, for all jobs, instances and programs."""
    filled = []
    for panel in _BOARD["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "2m").replace("$__range", "1h")
            filled.append(re.sub(r"\$(job|instance|namespace|workload|pod|command)\b", ".*", expression))
    return filled


def test_the_rules_are_rules() -> None:
    """promtool accepts the file."""
    done = _promtool("check", "rules", _RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_fire_when_they_should() -> None:
    """The unit tests beside the rules pass: each alert fires, says the words that it should, and does not fire otherwise."""
    done = _promtool("test", "rules", PROMETHEUS / "cgtune.rules.test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_recorded_series_of_a_fleet_are_what_cgtune_fleet_reads() -> None:
    """promtool's unit tests of them pass, and they bear the names that its questions have."""
    from cgtune.fleet.names import RECORDED

    done = _promtool("test", "rules", PROMETHEUS / "cgtune-fleet.rules.test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = kubernetes.read_objects((PROMETHEUS / "cgtune-fleet.rules.yaml").read_text())
    assert [rule["record"] for group in file["groups"] for rule in group["rules"]] == list(RECORDED)


def _replica(service: int, replica: int, *, hurts: bool) -> ProcessReport:
    """A Go program without GOMEMLIMIT in a pod of a Deployment; or one that is throttled as well."""
    from cgtune.model import Container
    from tests.rules.reports import go_facts, memory_level, report

    # Every period stopped, with GOMAXPROCS as it should be, or none
    facts, path = go_facts(procs=2), f"/kubepods/pod{service}-{replica}/app"
    throttled = (1000, 1000) if hurts else (0, 1000)
    process = report(facts, cores=2.0, memory=(memory_level(path, 512 << 20),), throttled=throttled, pid=100 + replica, path=path)
    pod = f"svc{service}-5d4f8c7b9d-x2vl{'bcd'[replica]}"
    named = Container(id=f"{service:061}{replica:03}", pod_uid=f"{service:032x}", name="app", pod_name=pod, pod_namespace="shop")
    return process.replace(snapshot=process.snapshot.replace(container=named))


@pytest.mark.parametrize("hurt", [0, 5])
@pytest.mark.slow
def test_alerts_are_of_harm_and_one_for_a_workload(hurt: int, tmp_path: Path) -> None:
    """200 services of three replicas on three nodes, none with GOMEMLIMIT: no harm, no alert, but one info in all; five throttled: five."""
    from cgtune.api import judge
    from cgtune.model import Report
    from cgtune.outputs.prometheus import render_report

    given, spelled = [], 0
    for node in range(3):
        processes = tuple(_replica(service, node, hurts=service < hurt) for service in range(200))
        report = judge(Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=processes[0].snapshot.machine, processes=processes))
        for name in ("cgtune_finding", "cgtune_harm"):
            for labels, _ in parse_metrics(bytes(render_report(report, openmetrics=False)).decode()).get(name, []):
                spelled += labels["rule"] == "gomemlimit-unset"
                words = ",".join(
                    f"{key}={json.dumps(value)}" for key, value in (labels | {"job": "cgtune", "instance": f"n{node}:1"}).items()
                )
                given.append({"series": f"{name}{{{words}}}", "values": "1x400"})
    assert spelled == 600
    asked = [
        ("count(ALERTS{alertname=~'CgtuneHarm|CgtuneOomKilled',alertstate='firing'}) or vector(0)", "10m", hurt),
        ("count(ALERTS{alertname='CgtuneHarm',rule='cpu-throttled',namespace='shop',workload=~'svc[0-4]'}) or vector(0)", "10m", hurt),
        ("count(ALERTS{alertstate='firing',severity!='info'}) or vector(0)", "26h", hurt),
        ("count(ALERTS{alertname='CgtuneMisset',alertstate='firing',severity='info'})", "26h", 1),
    ]
    tests = [
        {
            "interval": "4m",
            "input_series": given,
            "promql_expr_test": [
                {"expr": expression, "eval_time": when, "exp_samples": [{"labels": "{}", "value": value}]}
                for expression, when, value in asked
            ],
        }
    ]
    file = {"rule_files": [str(_RULES)], "evaluation_interval": "4m", "tests": tests}
    (tmp_path / "test.yaml").write_text(json.dumps(file))
    done = _promtool("test", "rules", tmp_path / "test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_unit_test() -> None:
    """Each alert is expected to fire somewhere in the unit tests, and each recording rule and documented query to have a value."""
    (file,) = kubernetes.read_objects((PROMETHEUS / "cgtune.rules.test.yaml").read_text())
    fired = {case["alertname"] for test in file["tests"] for case in test.get("alert_rule_test", []) if case["exp_alerts"]}
    valued = {case["expr"] for test in file["tests"] for case in test.get("promql_expr_test", []) if case["exp_samples"]}
    rules = _rules()
    assert {rule["alert"] for rule in rules if "alert" in rule} == fired
    shown = re.findall(r"```promql\n(.*)\n```", (ROOT / "deploy" / "README.md").read_text())
    assert len(shown) == 2
    assert {*(rule["record"] for rule in rules if "record" in rule), *shown} == valued


def test_every_alert_says_what_to_do() -> None:
    """Summary, description, severity, a time to wait, and a runbook: a rule that cgtune explains, or a heading of deploy/README.md."""
    from cgtune.rules import RULES

    known = {rule.ID for rule in RULES}
    headings = re.findall(r"^#+ (.*)$", (ROOT / "deploy" / "README.md").read_text(), flags=re.MULTILINE)
    for rule in _rules():
        if "alert" in rule:
            said = rule["annotations"]
            assert set(said) == {"summary", "description", "runbook"}
            severity = rule["labels"]["severity"]
            # Of cgtune itself; of harm to a workload; of all that is only set badly
            assert ("$labels.workload" if "harm" in rule["expr"] or "oom" in rule["expr"] else "$labels.instance") in said[
                "description"
            ] or (severity == "info")
            assert severity in ("info", "warning", "critical")
            assert re.fullmatch(r"\d+[mh]", rule["for"])
            explained = re.fullmatch(r"cgtune explain (.*)", said["runbook"])
            read = re.fullmatch(r'deploy/README\.md, "(.*)"', said["runbook"])
            assert (explained and explained[1] in (*known, "{{ $labels.rule }}")) or (read and read[1] in headings), said["runbook"]


def _exposed() -> dict[str, set[str]]:
    """The labels of every metric that the code can expose, by name, as docs/serve.md and the code name them."""
    code = "".join((ROOT / "cgtune" / "outputs" / name).read_text() for name in ("prometheus.py", "series.py"))
    stems = [stem for stem in re.findall(r'"(cgtune_[a-z_{}]+)"', code) if "{of}" not in stem]
    names = {stem.format(witness) for stem in stems for witness in ("derived", "observed", "recommended")}
    more = {
        "cgtune_finding": {"rule", "severity", "harm"},
        "cgtune_harm": {"rule", "cause", "severity"},
        "cgtune_advice_info": {"rule", "cause", "harm", "advice"},
        "cgtune_go_info": {"id", "go_version", "main_module", "container_aware", "awareness_from", "follows_updates"},
        "cgtune_pressure_waiting_seconds_total": {"resource", "share"},
        "cgtune_memory_part_bytes": {"part"},
        "cgtune_findings": {"severity"},
        "cgtune_notes": {"kind"},
        "cgtune_missing_privilege_notes": {"privilege"},
        "cgtune_build_info": {"version"},
        "cgtune_scan_stage_duration_seconds": {"stage"},
        "cgtune_scan_stage_success": {"stage"},
    }
    own = {"pid", "command", "namespace", "pod", "container", "workload", "container_id", "uid"}
    exposed = {name: more.get(name, set()) | own for name in names}
    kills = {"container": own - {"pid", "command", "workload"}, "pod": {"uid", "pod", "namespace"}, "workload": {"workload", "namespace"}}
    for of, labels in kills.items():
        exposed |= {f"cgtune_{of}_oom_kills_total": labels, f"cgtune_{of}_last_oom_kill_timestamp_seconds": labels}
    return exposed


def test_the_labels_that_this_file_names_are_exposed() -> None:
    """What a real page bears has the names and labels that the next test goes by."""
    with Service("--root", stories.STORIES / "v2-ancestor-tighter", "--pid", 4242, "--fail-on", "info") as service:
        samples = service.wait_for_report().metrics()
    exposed = _exposed()
    assert len(samples) > 15
    assert {name for name, each in samples.items() if name not in exposed or not {*each[0][0]} <= exposed[name]} == set()


@pytest.mark.parametrize("source", ["rules", "dashboard"])
def test_only_what_is_exposed_is_asked_for(source: str) -> None:
    """Every metric that is named is one of cgtune serve's or recorded, and every label matched or joined on is its own or of a scrape."""
    expressions = [str(rule["expr"]) for rule in _rules()] if source == "rules" else board_expressions()
    exposed, recorded = _exposed(), {rule["record"] for rule in _rules() if "record" in rule}
    assert len(expressions) > 8
    for expression in expressions:
        assert set(re.findall(r"\w+:\w+:\w+", expression)) <= recorded
        found = re.findall(r"(?<![:\w])(cgtune_\w+)(?:\{([^}]*)\})?", expression)
        for name, matchers in found:
            assert name in exposed, f"{name} in {expression}"
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert labels <= exposed[name] | _TARGET_LABELS, f"{name}{{{matchers}}}"
        joined = {label.strip() for group in re.findall(r"\b(?:on|by|without) \(([^)]*)\)", expression) for label in group.split(",")}
        assert joined <= set().union(*(exposed[name] for name, _ in found)) | _TARGET_LABELS | {"pid"}, expression


def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    """Prometheus' own parser accepts each, as Grafana sends it."""
    expressions = board_expressions()
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = _promtool("check", "rules", tmp_path / "rules.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(expressions)} rules found" in done.stdout


def test_the_dashboard_is_whole() -> None:
    """Panels have ids and places of their own and ask the chosen data source; every variable that is used is declared, and no other; the
    rows answer the five questions.
    """
    panels = _BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    for panel in panels:
        assert panel["title"]
        for target in panel.get("targets", []):
            assert panel["datasource"] == target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    declared = {variable["name"] for variable in _BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)\}?", json.dumps([panels, _BOARD["templating"]]))) - {"__rate_interval", "__range", "__all"}
    assert used == declared == {"datasource", "job", "instance", "namespace", "workload", "pod", "command"}
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    asked = ("Who was killed", "Who is stopped", "Who waits for neighbours", "Who wastes", "Who is misset")
    assert [title for title in rows if title.startswith("Who ")] == [next(row for row in rows if row.startswith(start)) for start in asked]


def _lost(given: object, kept: object, path: str = "") -> Iterator[str]:
    """What is in the one and not, or not as it was, in the other; what that has beside it are defaults."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from _lost(value, kept[key], f"{path}.{key}") if key in kept else (f"{path}.{key}",)
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for place, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, f"{path}[{place}]")
    elif given != kept:
        yield path


def _as_grafana_reads(board: dict[str, Any]) -> object:
    """A dashboard read with Grafana's own types, and written again."""
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    return json.loads(JSONEncoder().encode(Dashboard.from_json(board)))


def test_grafana_knows_every_key_of_the_dashboard() -> None:
    """Its types lose nothing but the text of a variable's query that its editor shows beside the query itself, which they do not have."""
    variables = _BOARD["templating"]["list"]
    shown = {f".templating.list[{place}].definition" for place, variable in enumerate(variables) if "definition" in variable}
    assert set(_lost(_BOARD, _as_grafana_reads(_BOARD))) == shown
    assert all(variable["query"]["query"] == variable["definition"] for variable in variables if "definition" in variable)


@pytest.mark.parametrize(
    ("place", "misspelt"),
    [((), "tag"), (("panels", 1), "datasorce"), (("panels", 1, "targets", 0), "expresion"), (("panels", 1, "fieldConfig"), "default")],
)
def test_what_grafana_does_not_know_is_noticed(place: tuple[str | int, ...], misspelt: str) -> None:
    """A key that is misspelt is lost on the way: of the dashboard, of a panel, of a query, of a panel's fields."""
    board = json.loads(json.dumps(_BOARD))
    at = board
    for step in place:
        at = at[step]
    at[misspelt] = {}
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    assert f"{where}.{misspelt}" in set(_lost(board, _as_grafana_reads(board)))


def test_a_page_passes_the_check_of_prometheus() -> None:
    """promtool check metrics has nothing against what is served, in names, units, help and types."""
    with Service("--root", stories.STORIES / "k8s-burstable-systemd", "--pid", 4242) as service:
        page = service.wait_for_report().fetch("/metrics").body
    assert "cgtune_cpu_limit_cores" in parse_metrics(page)
    done = _promtool("check", "metrics", text=page)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
