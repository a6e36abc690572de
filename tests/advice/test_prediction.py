"""``cgtune predict``: what is said about programs that do not run, against what real ones do."""

from __future__ import annotations

import doctest
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import referencing
from hypothesis import given, strategies as st

import cgtune
from cgtune.advice.procs import worst_stall
from cgtune.errors import UsageError
from cgtune.model import Bandwidth, CpuLevel, CpuLimits, Prediction
from cgtune.numbers import format_limit
from cgtune.outputs.predict import render_predict
from cgtune.runtimes.go.derived.grammar import parse_gomemlimit
from tests.commands.test_check import validate_sarif
from tests.support import goprograms, inside, toolchains
from tests.support.command import ROOT, run
from tests.support.needs import only_where


def derived(prediction: Prediction, name: str = "GOMAXPROCS") -> list[object]:
    """What each row derives for one setting."""
    rows = [{setting.name: setting.derived for setting in row.process.snapshot.go[0].settings} for row in prediction.rows]
    return [row[name] for row in rows]


def recommended(prediction: Prediction, name: str) -> list[int | None]:
    """What each row recommends to set, None where the variable is to be left unset."""
    found = [next(one for one in row.process.recommendations if one.name == name) for row in prediction.rows]
    return [one.value if one.set else None for one in found]


def validate(content: object) -> None:
    """Hold predict's JSON against its schema, which refers to that of the report."""
    schemas = [json.loads(path.read_text()) for path in sorted((ROOT / "cgtune" / "schemas").glob("*.json"))]
    registry: Any = referencing.Registry().with_resources(
        [(schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas]
    )
    own = next(schema for schema in schemas if schema["$id"] == "urn:cgtune:predict:v1")
    jsonschema.Draft202012Validator(own, registry=registry).validate(content)


def test_two_and_a_half_cpus_of_64() -> None:
    """Before 1.25 all CPUs; from 1.25 on the quota, rounded up; and all CPUs again where the go line is older than 1.25."""
    assert derived(cgtune.predict(cpu_limit="2.5", cpus=64, go="1.21,1.24,1.25,1.27")) == [64, 64, 3, 3]
    assert derived(cgtune.predict(cpu_limit="2500m", cpu_request="2500m", cpus=64, go="1.27", language="1.24")) == [64]
    assert derived(cgtune.predict(cpu_limit="2500m", cpus=64, go="1.25", language="1.24")) == [64]
    assert derived(cgtune.predict(cpu_limit="250000 100000", cpus=64, go="1.24,1.27", language="1.27")) == [64, 3]


@pytest.mark.parametrize(
    ("limit", "cpus", "procs"),
    # facts confirmed on a real kernel with 8 CPUs
    [
        *((None, 8, 8), ("max", 8, 8), ("0.5", 8, 2), ("1", 8, 2), ("100001 100000", 8, 2), ("2.5", 8, 3), ("3200000 1000000", 8, 4)),
        *(("8", 8, 8), ("100", 8, 8), ("0.5", 1, 1)),
    ],
)
def test_quotas_of_a_new_go(limit: str | None, cpus: int, procs: int) -> None:
    """1.25 to 1.27 round the quota up, never below 2, never above the CPUs."""
    assert derived(cgtune.predict(cpu_limit=limit, cpus=cpus, go="1.25,1.26,1.27")) == [procs] * 3


def test_a_container_on_v1_hides_its_limit_from_go_1_25() -> None:
    """There the mount's root is the container's own cgroup: 1.25 looks for a folder that is not there, 1.26 finds it."""
    assert derived(cgtune.predict(cpu_limit="2.5", cpus=64, go="1.24,1.25,1.26,1.27", cgroup="v1")) == [64, 64, 3, 3]


def test_an_impossible_memory_limit_variable_is_told() -> None:
    """GOMEMLIMIT with a unit of Kubernetes ends every Go program at its start, and the row says with which words."""
    prediction = cgtune.predict(cpus=4, go="1.21,1.27", env=["GOMEMLIMIT=512Mi"])
    assert derived(prediction) == [None, None]
    for row in prediction.rows:
        assert "malformed GOMEMLIMIT" in str(row.process.snapshot.go[0].derived.dies)


def test_recommendations_stand_beside() -> None:
    """What Go does not reach by itself is recommended; what it reaches is left unset."""
    prediction = cgtune.predict(cpu_limit="2.5", cpus=64, memory_limit="512Mi", go="1.24,1.27")
    assert recommended(prediction, "GOMAXPROCS") == [3, None]
    assert recommended(prediction, "GOMEMLIMIT") == [460 << 20, 460 << 20]
    assert recommended(cgtune.predict(cpus=64, go="1.24"), "GOMAXPROCS") == [None]


def test_the_stall_is_what_is_left_of_the_period() -> None:
    """Half a CPU and two threads: 25 ms at work, 75 ms waiting; no more threads than CPUs can be at work."""
    row = cgtune.predict(cpu_limit="0.5", cpus=64, go="1.25").rows[0]
    assert row.stall is not None
    assert (row.stall.threads, row.stall.runs_us, row.stall.stalls_us) == (2, 25_000, 75_000)
    pinned = cgtune.predict(cpu_limit="0.5", cpus=4, go="1.24", env=["GOMAXPROCS=50"]).rows[0]
    assert pinned.stall is not None
    assert (pinned.stall.threads, pinned.stall.stalls_us) == (4, 87_500)
    assert cgtune.predict(cpu_limit="3", cpus=64, go="1.25").rows[0].stall is None
    assert cgtune.predict(cpus=64, go="1.24").rows[0].stall is None


@given(st.integers(1000, 1 << 44), st.integers(1000, 1_000_000), st.integers(1, 4096), st.integers(1, 1 << 16))
def test_a_stall_is_never_longer_than_its_period(quota_us: int, period_us: int, cpus: int, procs: int) -> None:
    """Working and waiting make up one period; more threads never stall less."""
    bandwidth = Bandwidth(quota_us=quota_us, period_us=period_us)
    level = CpuLevel(path="/", directory="/", version=2, bandwidth=bandwidth, weight=None, shares=None, throttling=None)
    limits = CpuLimits(limit_cores=bandwidth.limit_cores, binding=level, usable=frozenset(range(cpus)), cpuset=None)
    stall, more = worst_stall(limits, procs), worst_stall(limits, procs + 1)
    if stall is not None:
        assert 0 <= stall.stalls_us <= period_us
        assert stall.runs_us + stall.stalls_us == pytest.approx(period_us)
        assert more is not None
        assert more.stalls_us >= stall.stalls_us


def test_a_go_line_newer_than_the_toolchain_is_noted() -> None:
    """Go 1.24 does not build a module with go 1.25 by itself, which a row for it has to say."""
    notes = [row.notes for row in cgtune.predict(cpus=4, go="1.24,1.25,1.25.3", language="1.25.4").rows]
    assert [bool(note) for note in notes] == [True, False, True]


def test_max_is_no_limit() -> None:
    """What stands in memory.max is taken as it is."""
    assert cgtune.predict(cpus=4, go="1.27", memory_limit="max") == cgtune.predict(cpus=4, go="1.27")


def test_the_json_holds_to_its_schema() -> None:
    """JSON is valid, has a row for each version in the order asked, and is the same twice."""
    arguments = ("predict", "--cpu-limit", "2.5", "--cpus", 64, "--memory-limit", "512Mi", "--go", "1.27,1.21", "--format", "json")
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    validate(content)
    assert content["schema"] == "cgtune/predict/v1"
    assert [row["go"] for row in content["rows"]] == ["1.27", "1.21"]
    assert content["enforced"]["cpu"]["limit_cores"] == 2.5
    assert content["enforced"]["memory"]["limit_bytes"] == 512 << 20
    assert [row["settings"]["GOMAXPROCS"]["derived"] for row in content["rows"]] == [3, 64]
    assert done.stdout == run(*arguments).stdout


def test_the_schema_refuses_what_is_wrong() -> None:
    """The schema can fail: a row without its settings is no prediction."""
    content = json.loads(run("predict", "--cpus", 2, "--format", "json").stdout)
    del content["rows"][0]["settings"]
    with pytest.raises(jsonschema.ValidationError):
        validate(content)


def test_every_option_has_a_twin() -> None:
    """A pipeline can give all of it in the environment."""
    twins = {"CGTUNE_CPU_LIMIT": "2.5", "CGTUNE_CPUS": "64", "CGTUNE_MEMORY_LIMIT": "512Mi", "CGTUNE_GO": "1.27", "CGTUNE_LANGUAGE": "1.24"}
    more = {"CGTUNE_ENV": "GOGC=50 A=b", "CGTUNE_CGROUP": "v1", "CGTUNE_CPU_REQUEST": "250m", "CGTUNE_FORMAT": "json"}
    options = ["--cpu-limit", "2.5", "--cpus", "64", "--memory-limit", "512Mi", "--go", "1.27", "--language", "1.24", "--env", "GOGC=50"]
    options += ["--env", "A=b", "--cgroup", "v1", "--cpu-request", "250m", "--format", "json"]
    by_environment, by_options = run("predict", timeout_seconds=30, **twins, **more), run("predict", *options)
    assert by_environment.returncode == 0
    assert by_environment.stdout == by_options.stdout


def test_the_table_fits_a_terminal() -> None:
    """80 columns hold the table and all that stands below it."""
    done = run("predict", "--cpu-limit", "3200000 1000000", "--cpus", 64, "--memory-limit", "512Mi", "--env", "GOMEMLIMIT=450MiB")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--cpu-limit", "2.5.1"), "--cpu-limit '2.5.1' is no number of CPUs; examples: --cpu-limit 2.5"),
        (("--cpu-limit", "0"), "the kernel takes"),
        (("--cpu-limit", "nan"), "--cpu-limit"),
        (("--cpus", "0"), "--cpus 0"),
        (("--cpus", "65537"), "--cpus 65537"),
        (("--cpus", "many"), "example: --cpus 4"),
        (("--rounding", "up"), "example: --rounding slack"),
        (("--min-procs", "two"), "example: --min-procs 4"),
        (("--cpu-limit", "2", "--reserve-cpu", "2"), "--reserve-cpu 2 leaves nothing of --cpu-limit 2; give less, as in --reserve-cpu 0.5"),
        (("--memory-limit", "64Mi", "--outside", "64Mi"), "--outside 67108864 leaves nothing of --memory-limit 67108864"),
        (("--memory-limit", "512mi"), "--memory-limit 512Mi"),
        (("--memory-limit", "0"), "--memory-limit"),
        (("--cpu-request", "3", "--cpu-limit", "2.5"), "--cpu-request 3 is above --cpu-limit 2.5"),
        (("--cpu-request", "3", "--cpus", "2"), "--cpu-request 3 is above --cpus 2"),
        (("--go", ""), "--go 1.21"),
        (("--go", "1.24,,1.25"), "--go 1.21"),
        (("--go", "2.0"), "--go 1.21"),
        (("--go", "1.24; rm"), "--go 1.21"),
        (("--go", "latest"), "--go 1.21"),
        (("--go", "1.25.1.2"), "--go 1.21"),
        (("--go", ",".join(["1.25"] * 65)), "at most 64"),
        (("--language", "new"), "--language 1.24"),
        (("--env", "GOMAXPROCS"), "--env GOMAXPROCS=4"),
        (("--env", "=4"), "--env GOMAXPROCS=4"),
        (("--env", "A=1", "--env", "A=2"), "two values"),
        (("--cgroup", "v3"), "example: --cgroup v1"),
        (("--format", "xml"), "example: --format table"),
        (("--binary", "/nowhere/server"), "--binary '/nowhere/server': No such file"),
        (("--binary", "/"), "--binary ./server"),
        (("--binary", "/dev/null"), "--binary ./server"),
        (("--binary", sys.executable), "is not a Go program"),
        (("--binary", __file__), "is not a Go program"),
        (("--binary", sys.executable, "--go", "1.24"), "leave out --go"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], says: str) -> None:
    """What cannot be used is refused in one line that names the option and shows a right value."""
    done = inside.run("predict", "--cpus", "4", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_fifo_as_binary_does_not_block(tmp_path: Path) -> None:
    """A FIFO that nobody writes to is refused at once."""
    os.mkfifo(tmp_path / "fifo")
    done = run("predict", "--binary", tmp_path / "fifo", timeout_seconds=60)
    assert done.returncode == 2
    assert "not a regular file" in done.stderr


def test_the_example_in_the_documents_runs() -> None:
    """The Python example of docs/predict.md does what it shows."""
    outcome = doctest.testfile(str(ROOT / "docs" / "predict.md"), module_relative=False)
    assert outcome.attempted >= 4
    assert outcome.failed == 0


def test_findings_are_those_of_a_report() -> None:
    """A predicted process is judged as a live one: the cause is named, and what versions have in common is told once."""
    prediction = cgtune.predict(cpu_limit="2.5", cpus=64, go="1.21,1.24,1.27")
    assert [[finding.rule for finding in row.process.findings if finding.severity != "info"] for row in prediction.rows] == [
        ["go-not-container-aware"],
        ["go-not-container-aware"],
        [],
    ]
    said = run("predict", "--cpu-limit", "2.5", "--cpus", 64, "--go", "1.21,1.24,1.27").stdout
    assert said.count("go-not-container-aware") == 1
    assert "Go 1.21, 1.24: warning go-not-container-aware" in said


# Against real programs

ENVIRONMENTS: list[dict[str, str]] = [
    {},
    *({"GOMAXPROCS": text} for text in ("", "0", "-1", "-", "1", "04", "+5", " 5", "5 ", "5.0", "0x5", "7", "2147483648")),
    {"GOMEMLIMIT": "512MiB"},
    {"GOMEMLIMIT": "512Mi"},
    {"GOMEMLIMIT": "off", "GOGC": "off"},
    {"GOGC": "+50"},
    {"GODEBUG": "containermaxprocs=0"},
    {"GODEBUG": "x509sha1=1"},
]
PROGRAMS = [
    (version, language)
    for version in toolchains.NEWEST
    for language in (("1.21", "1.25") if toolchains.minor(version) >= 25 else ("1.21",))
]


def test_versions_that_say_the_same_say_it_once() -> None:
    """A finding or a reason that differs in nothing but the version is one line for all of them."""
    text = render_predict(cgtune.predict(cpus=4, cpu_limit="17592186044415 1000", env=["GOGC=x"]))
    assert text.count("critical quota-crashes-go") == 1
    assert text.count("GOMAXPROCS=4") == 1
    assert text.count("warning gogc-malformed") == 1


def test_a_named_request_is_not_computed_back() -> None:
    """What --cpu-request says is what the finding says, though no weight on v2 is exactly that."""
    (row,) = cgtune.predict(cpus=64, cpu_request="250m", go="1.27").rows
    (finding,) = row.process.findings
    assert (finding.rule, "a request of 0.25 CPUs" in finding.summary) == ("no-quota-many-cpus", True)


@pytest.mark.slow
@pytest.mark.parametrize(("version", "language"), PROGRAMS)
@pytest.mark.fetched
def test_real_programs_do_what_is_predicted(version: str, language: str) -> None:
    """A program of this version and go line prints the predicted values, by --go and --language as by --binary, or dies as predicted."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    toolchains.goroot(version)
    program = goprograms.build(version, language=language)
    cpus = len(os.sched_getaffinity(0))
    for environment in ENVIRONMENTS:
        env = [f"{name}={value}" for name, value in environment.items()]
        named = cgtune.predict(cpus=cpus, go=version, language=language, env=env)
        on_disk = cgtune.predict(cpus=cpus, binary=str(program), env=env)
        done = subprocess.run(
            [program, "report", "exit"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        for prediction in (named, on_disk):
            dies = prediction.rows[0].process.snapshot.go[0].derived.dies
            if dies is not None:
                assert (done.returncode, done.stderr.startswith(dies)) == (2, True), (environment, dies, done.stderr)
                continue
            said = json.loads(done.stdout.splitlines()[-1])
            values = [derived(prediction, name)[0] for name in ("GOMAXPROCS", "GOMEMLIMIT", "GOGC")]
            assert values == [said["gomaxprocs"], said["memory_limit"], said["gc_percent"]], environment


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--fail-on", "critical"), 0),
        (("--fail-on", "warning"), 1),
        (("--fail-on", "info"), 1),
        (("--go", "1.27", "--fail-on", "warning"), 0),
        (("--go", "1.27", "--fail-on", "info"), 1),
        (("--go", "1.27", "--env", "GOMEMLIMIT=512Mi", "--fail-on", "critical"), 1),
        (("--go", "1.27", "--env", "GODEBUG=cgocheck=2", "--fail-on", "critical"), 1),  # no rule is about it
        (("--go", "1.27", "--env", "GODEBUG=cgocheck=2"), 0),
    ],
)
@pytest.mark.parametrize("name", ["table", "json", "sarif", "junit"])
def test_the_exit_code_follows_fail_on(arguments: tuple[str, ...], code: int, name: str) -> None:
    """1 for a finding that severe, and for a death; without the option findings do not count. The format changes nothing of it."""
    done = inside.run("predict", "--cpus", "64", "--cpu-limit", "2.5", "--go", "1.24,1.27", *arguments, "--format", name)
    assert done.returncode == code
    deaths = ["cgtune: Go 1.27: dies at its start: fatal error: cgocheck > 1 mode is no longer supported at runtime."]
    said = [line for line in done.stderr.splitlines() if not line.startswith(tuple(deaths))]
    assert said == []
    assert bool(done.stderr) == (name in ("sarif", "junit") and "GODEBUG=cgocheck=2" in arguments)


def test_the_findings_of_each_row_as_sarif_and_junit() -> None:
    """Each row is told by its version, and the same alert is known again in the next run; no time makes two answers differ."""
    arguments = ("predict", "--cpus", "64", "--cpu-limit", "2.5", "--go", "1.24,1.27", "--fail-on", "warning", "--format")
    results = validate_sarif(inside.run(*arguments, "sarif").stdout)["runs"][0]["results"]
    assert [result["partialFingerprints"]["cgtuneFinding/v1"] for result in results] == [
        "go-not-container-aware predicted (Go 1.24)",
        "fractional-quota predicted (Go 1.27)",
    ]
    text = inside.run(*arguments, "junit").stdout
    suites = ET.fromstring(text)
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [("predicted (Go 1.24)", "1"), ("predicted (Go 1.27)", "0")]
    assert {case.get("classname") for case in suites[0]} == {"cgtune.predicted.Go 1.24"}
    assert text == inside.run(*arguments, "junit").stdout
    usual = ET.fromstring(inside.run(*arguments[:-3], "--format", "junit").stdout)
    assert usual.get("failures") == "1"


def test_a_cgroup_version_that_there_is_not() -> None:
    """v1 and v2 are the versions there are; the mistaken one is shown, and an example."""
    with pytest.raises(UsageError, match=r"^--cgroup 'v3' is neither v1 nor v2; example: --cgroup v2$"):
        cgtune.predict(cpus=8, cgroup="v3")


def test_the_head_of_a_prediction_without_limits() -> None:
    """It says that there is neither a quota nor a memory limit."""
    assert "no CPU quota on 8 CPUs, no memory limit, cgroup v2" in render_predict(cgtune.predict(cpus=8, go="1.27"))


@pytest.mark.parametrize(
    ("given", "shown", "kept"),
    [("483183821", "483183821 B", "483183821B"), ("471860KiB", "483184640 B", "471860KiB"), ("480MiB", "480 MiB", "480MiB")],
)
def test_a_memory_limit_in_the_environment_is_shown_to_the_byte(given: str, shown: str, kept: str) -> None:
    """With its unit, both what the program would take and what to set: a value that is as good as the recommended one stays."""
    text = render_predict(cgtune.predict(cpus=2, go="1.24", memory_limit="512Mi", env=[f"GOMEMLIMIT={given}"]))
    row = next(line for line in text.splitlines() if line.startswith("  1.24"))
    assert row.split()[-3:] == [*shown.split(), kept]
    assert f"GOMEMLIMIT={kept}: " in text


@given(st.integers(0, (1 << 63) - 1))
def test_a_memory_limit_is_written_as_go_reads_it(size: int) -> None:
    """Exactly, whatever it is, and by the oldest Go that has such a limit."""
    text = format_limit(size)
    assert parse_gomemlimit(text, 19) == size
    assert text.endswith("B")
