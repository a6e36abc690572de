"""What lint found, in each format: place, cause and act, and nothing that a manifest says steers who reads it."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from cgtune.lint.model import LintFinding, LintReport
from cgtune.manifests.workload import Skipped
from cgtune.model import Advice
from cgtune.outputs import load_renderer, names_of
from cgtune.outputs.layout import Layout
from cgtune.outputs.lint.text import render_lint_statistics, render_lint_text
from cgtune.outputs.lint.words import skipped_words, summary_words
from tests.commands.test_check import validate_sarif
from tests.support.command import ROOT
from tests.support.lintreports import (
    EXCEEDS,
    HOSTILE,
    LIMIT,
    MANIFEST,
    UNQUOTED,
    finding_at,
    mended,
    place_in,
    report_of,
)

SCHEMA = json.loads((ROOT / "cgtune/schemas/lint-v1.schema.json").read_text("utf-8"))
HOSTILE_FINDING = finding_at(
    place_in(MANIFEST, "512Mi}", HOSTILE),
    subject=f"Pod/{HOSTILE}",
    container=HOSTILE,
    summary=HOSTILE,
    evidence=(HOSTILE,),
    advice=(Advice(variable="GOMEMLIMIT", value=HOSTILE, reason=HOSTILE),),
    source=HOSTILE,
    go=HOSTILE,
    hint=HOSTILE,
    fix=mended(place_in(MANIFEST, "512Mi}", HOSTILE), HOSTILE),
)
HOSTILE_REPORT = report_of(
    HOSTILE_FINDING,
    texts={HOSTILE: MANIFEST.replace("512Mi}", f"512Mi}} # {HOSTILE}")},
    skipped=(Skipped(file=HOSTILE, line=1, why=HOSTILE, source=HOSTILE),),
)
WHO = "Deployment/shop/orders, container app"
BOTH = report_of(EXCEEDS, UNQUOTED)


def rendered(report: LintReport, name: str) -> str:
    """The report in a format of lint."""
    return load_renderer("lint", name)(report)


def test_text_names_place_cause_and_act() -> None:
    """Place, severity, rule, container and cause are one line; the wrong value is underlined, what to do stands below."""
    assert render_lint_text(BOTH).splitlines() == [
        f"deploy/orders.yaml:14:18: warning gomemlimit-exceeds-limit: {WHO}: GOMEMLIMIT is the whole limit of 512 MiB",
        '14 |           value: "512MiB"',
        "   |                  ^^^^^^^^",
        "  seen: limits.memory is 512Mi",
        "  do: set GOMEMLIMIT=460MiB: leaves room for what Go does not manage",
        "  fix: --unsafe-fixes mends it: that changes what the program gets",
        "",
        f"deploy/orders.yaml:15:37: critical gomaxprocs-malformed: {WHO}: value is a number, not text: the API server refuses the object",
        "15 |         - {name: GOMAXPROCS, value: 2}",
        "   |                                     ^",
        "  fix: --fix mends it",
    ]
    assert render_lint_text(report_of()) == ""


def test_text_names_template_versions_and_hint() -> None:
    """Of a rendered file the template is named; what holds for some versions of Go says for which; a hint stands below."""
    said = render_lint_text(
        report_of(EXCEEDS.replace(source="shop/templates/d.yaml", go="1.25 and newer", hint="values.yaml:\n  goMemLimit: 460MiB"))
    )
    assert "GOMEMLIMIT is the whole limit of 512 MiB (Go 1.25 and newer)\n" in said
    assert "  rendered from: shop/templates/d.yaml\n" in said
    assert said.endswith("    values.yaml:\n      goMemLimit: 460MiB\n")


def test_text_fits_a_terminal_and_is_coloured_there() -> None:
    """No line is wider than the terminal, and without colours it says the same."""
    plain = render_lint_text(BOTH, Layout(width=80))
    assert max(map(len, plain.splitlines())) <= 80
    coloured = render_lint_text(BOTH, Layout(width=80, colour=True))
    assert "\x1b[1;31m^\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize("before", [0, 50, 5000])
@pytest.mark.parametrize("behind", [0, 50, 5000])
@pytest.mark.parametrize("width", [None, 60, 200])
def test_of_a_long_line_the_wrong_value_is_shown(before: int, behind: int, width: int | None) -> None:
    """JSON on one line of many bytes: what is around the value, which the marks stand below."""
    text = "é" * before + '\t"512MiB"' + "x" * behind
    place = place_in(text, '"512MiB"')
    shown = render_lint_text(report_of(finding_at(place), texts={place.file: text}), Layout(width=width)).splitlines()
    quoted, marks = next((line, below) for line, below in itertools.pairwise(shown) if line.startswith("1 |"))
    assert len(quoted.removeprefix("1 | ")) == min(len(text), (width or 140) - 5)
    assert quoted[marks.index("^") : marks.rindex("^") + 1] == '"512MiB"'


def test_a_value_on_many_lines_is_marked_to_the_end_of_its_first() -> None:
    """And one that is nothing (what is missing) gets one mark."""
    text = 'a: "x\n  y"\n'
    whole = place_in(text, '"x\n  y"', "x")
    assert '1 | a: "x\n  |    ^^\n' in render_lint_text(report_of(finding_at(whole), texts={"x": text}))
    nothing = whole.replace(end=whole.start, end_line=1, end_column=whole.column)
    assert '1 | a: "x\n  |    ^\n' in render_lint_text(report_of(finding_at(nothing), texts={"x": text}))


def test_statistics_count_by_rule() -> None:
    """The most frequent rule first, with what can be mended."""
    lines = render_lint_statistics(report_of(UNQUOTED, EXCEEDS, EXCEEDS.replace(fix=None))).splitlines()
    assert [line.split()[:5] for line in lines] == [
        ["found", "rule", "severity", "safe", "fixes"],
        ["2", "gomemlimit-exceeds-limit", "warning", "0", "1"],
        ["1", "gomaxprocs-malformed", "critical", "1", "0"],
    ]
    assert render_lint_statistics(report_of()) == ""


def test_the_last_line_counts() -> None:
    """Files, containers, findings by severity, what can be mended, what was silenced, not seen and skipped."""
    skipped = Skipped(file="-", line=3, why="Helm values", source="a/b.yaml")
    report = BOTH.replace(silenced=2, skipped=(skipped,), unseen=(skipped, skipped))
    assert summary_words(report) == (
        "1 file, 1 container: 1 critical, 1 warning; --fix mends 1; --unsafe-fixes mends 1; 2 silenced; 2 values could not be seen; "
        "1 document skipped (-v lists them)"
    )
    assert summary_words(report_of(containers=0)) == "1 file, no containers"
    assert skipped_words(skipped, "skipped") == "<stdin>:3: skipped: Helm values (rendered from a/b.yaml)"


def test_json_is_valid_by_its_schema() -> None:
    """Each report is, whatever is in it, and the keys of the contract are there."""
    for report in (report_of(), BOTH, HOSTILE_REPORT):
        document = json.loads(rendered(report, "json"))
        jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    found = json.loads(rendered(BOTH, "json"))["findings"]
    assert [(one["rule"], one["file"], one["line"], one["column"], one["fix"]) for one in found] == [
        ("gomemlimit-exceeds-limit", "deploy/orders.yaml", 14, 18, "unsafe"),
        ("gomaxprocs-malformed", "deploy/orders.yaml", 15, 37, "safe"),
    ]
    (edit,) = found[1]["edits"]
    assert [edit[key] for key in ("file", "line", "column", "end_line", "end_column", "text")] == [
        "deploy/orders.yaml",
        15,
        37,
        15,
        38,
        '"2"',
    ]
    assert MANIFEST[edit["start"] : edit["end"]] == "2"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(rendered(BOTH, "json")) | {"findings": [{}]}, SCHEMA, jsonschema.Draft202012Validator)


def test_sarif_has_regions_and_fixes() -> None:
    """By the schema of OASIS; an array of results is always there; regions are those of the value, a fix replaces just that."""
    log = validate_sarif(rendered(BOTH, "sarif"))
    limit, number = log["runs"][0]["results"]
    place = limit["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "deploy/orders.yaml"}
    region = {"startLine": 14, "startColumn": 18, "endLine": 14, "endColumn": 26}
    assert place["region"] == region | {"snippet": {"text": '          value: "512MiB"'}}
    (change,) = limit["fixes"][0]["artifactChanges"]
    assert change["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": '"460MiB"'}}]
    assert limit["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "Deployment/shop/orders/app"
    assert (limit["level"], number["level"]) == ("warning", "error")
    assert log["runs"][0]["columnKind"] == "unicodeCodePoints"
    assert validate_sarif(rendered(report_of(), "sarif"))["runs"][0]["results"] == []
    validate_sarif(rendered(HOSTILE_REPORT, "sarif"))


def test_sarif_of_standard_input_names_the_template() -> None:
    """The region is that of the stream, which is no file of the repository; what it was rendered from is beside it."""
    place = place_in(MANIFEST, '"512MiB"', "-")
    (result,) = validate_sarif(rendered(report_of(finding_at(place, source="shop/templates/d.yaml"), texts={"-": MANIFEST}), "sarif"))[
        "runs"
    ][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "stdin"}
    assert result["relatedLocations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "shop/templates/d.yaml"}


def known_by(report: LintReport) -> tuple[list[str], list[str]]:
    """The fingerprints of a report in SARIF and for GitLab."""
    results = validate_sarif(rendered(report, "sarif"))["runs"][0]["results"]
    issues = json.loads(rendered(report, "gitlab"))
    return [one["partialFingerprints"]["cgtuneLint/v1"] for one in results], [one["fingerprint"] for one in issues]


def test_a_finding_that_moved_is_known_again() -> None:
    """By rule, object and container, not by its line; several of one kind are told apart."""
    moved = {"deploy/orders.yaml": "# a line more\n" + MANIFEST}
    lower = EXCEEDS.replace(place=place_in(moved["deploy/orders.yaml"], '"512MiB"'))
    assert known_by(report_of(EXCEEDS)) == known_by(report_of(lower, texts=moved))
    for names in known_by(report_of(EXCEEDS, EXCEEDS, UNQUOTED, EXCEEDS.replace(container="b"))):
        assert len(set(names)) == 4


def test_gitlab_takes_it() -> None:
    """An array of issues with severity, path and lines as its Code Quality reports have them."""
    assert json.loads(rendered(report_of(), "gitlab")) == []
    limit, number = json.loads(rendered(BOTH, "gitlab"))
    assert limit["location"] == {"path": "deploy/orders.yaml", "lines": {"begin": 14, "end": 14}}
    assert (limit["severity"], number["severity"], limit["check_name"]) == ("major", "critical", "gomemlimit-exceeds-limit")
    assert re.fullmatch(r"[0-9a-f]{64}", limit["fingerprint"])
    (hostile,) = json.loads(rendered(HOSTILE_REPORT, "gitlab"))
    assert hostile["description"].isprintable()


def test_github_marks_the_span() -> None:
    """A command with file, line and columns for each finding; of several lines without columns, of standard input without a file."""
    first, second = rendered(BOTH, "github").splitlines()
    assert first.startswith(
        "::warning file=deploy/orders.yaml,line=14,endLine=14,title=gomemlimit-exceeds-limit,col=18,endColumn=26::Deployment"
    )
    assert second.startswith("::error file=deploy/orders.yaml,line=15,")
    folded = finding_at(LIMIT.replace(end_line=16))
    assert rendered(report_of(folded), "github").startswith(
        "::warning file=deploy/orders.yaml,line=14,endLine=16,title=gomemlimit-exceeds-limit::"
    )
    assert rendered(report_of(finding_at(LIMIT.replace(file="-"))), "github").startswith("::warning title=gomemlimit-exceeds-limit::")
    (line,) = rendered(HOSTILE_REPORT, "github").splitlines()
    command, _, message = line.removeprefix("::").partition("::")
    assert "::" not in command
    assert "%0A" not in message
    assert command.count(",") == 5


def test_junit_fails_what_fails() -> None:
    """A suite for each file and a case for each finding; one below --fail-on passed, and so did a file without findings."""
    root = ET.fromstring(rendered(BOTH.replace(fail_on="critical", files=("deploy/orders.yaml", "b.yaml")), "junit"))
    assert root.attrib == {"name": "cgtune lint", "tests": "3", "failures": "1", "errors": "0"}
    orders, other = root
    assert [case.find("failure") is not None for case in orders] == [False, True]
    assert [case.get("line") for case in orders] == ["14", "15"]
    assert [(case.get("name"), len(case)) for case in other] == [("no finding", 0)]
    ET.fromstring(rendered(HOSTILE_REPORT, "junit"))


def strings(value: Any) -> list[str]:
    """All text in a JSON document."""
    if isinstance(value, dict):
        return [text for key, inner in value.items() for text in (key, *strings(inner))]
    return [text for inner in value for text in strings(inner)] if isinstance(value, list) else [value] if isinstance(value, str) else []


@pytest.mark.parametrize("name", names_of("lint"))
def test_nothing_hostile_comes_through(name: str) -> None:
    """Names, values and lines of a manifest with control characters steer no terminal, and end no line or record."""
    said = rendered(HOSTILE_REPORT, name)
    said.encode("utf-8")
    assert "\x1b" not in said
    assert "\n::error::c" not in said
    assert all(line.isprintable() for line in said.splitlines())


def test_what_failed_decides() -> None:
    """Findings at or above fail_on fail."""

    def failed(fail_on: Any) -> list[LintFinding]:
        return list(BOTH.replace(fail_on=fail_on).failures)

    assert [[one.rule for one in failed(fail_on)] for fail_on in ("info", "warning", "critical")] == [
        [EXCEEDS.rule, UNQUOTED.rule],
        [EXCEEDS.rule, UNQUOTED.rule],
        [UNQUOTED.rule],
    ]
