"""Findings on real Go programs in real control groups: each harm is done first, and then named with its cause."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import _ENTER, Group, Groups, hierarchies
from tests.support import goprograms, toolchains
from tests.support.command import inspect, parse_report, run
from tests.support.goprograms import LibraryHost, Probe
from tests.support.needs import require

pytestmark = pytest.mark.live

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _two_cpus() -> None:
    require({0, 1} <= os.sched_getaffinity(0), "needs CPUs 0 and 1")


@pytest.fixture
def counted(groups: Groups) -> Iterator[Groups]:  # which skips if there are none to be made
    """Groups whose CPU time is counted too: on v1 that may be a hierarchy of its own."""
    made = Groups(hierarchies("cpuacct"))
    try:
        yield made
    finally:
        made.remove()


def _make_favoured(groups: Groups, quota_us: int, period_us: int = 100_000) -> Group:
    """A group with a quota that others on a busy machine do not keep from using it."""
    group = groups.make("app")
    for each in (groups.make(), group):
        each.write("cpu", *(("cpu.weight", "10000") if each.version("cpu") == 2 else ("cpu.shares", "262144")))
    group.limit_cpu(quota_us, period_us)
    return group


@contextmanager
def _probe(group: Group, version: str, *commands: str, language: str = "1.21", **environ: str) -> Iterator[Probe]:
    """A probe built by that Go, inside the group from its first instruction on, on CPUs 0 and 1."""
    with Probe(goprograms.build(version, language=language), *commands, environment=environ, wrapper=_wrapper(group)) as probe:
        yield probe


def _wrapper(group: Group) -> tuple[str, ...]:
    return ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--", "taskset", "-c", "0,1")


def _findings(process: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {finding["rule"]: finding for finding in process["findings"]}


def _cpu_rules(process: Mapping[str, Any]) -> set[str]:
    """The rules that found something, but for those of memory."""
    return {rule for rule in _findings(process) if "mem" not in rule}


def test_gomaxprocs_beyond_a_half_cpu_and_what_mends_it(groups: Groups) -> None:
    """GOMAXPROCS=8 under half a CPU is one warning with the value to set; with that value set no warning is left."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    with _probe(group, "1.24.11", GOMAXPROCS="8") as probe:
        process = inspect(probe.pid)
    findings = _findings(process)
    assert _cpu_rules(process) == {"gomaxprocs-exceeds-quota"}
    finding = findings["gomaxprocs-exceeds-quota"]
    assert (finding["severity"], finding["advice"][0]["variable"], finding["advice"][0]["value"]) == ("warning", "GOMAXPROCS", "2")
    assert any("50000" in line and "0.5 CPUs" in line for line in finding["evidence"])
    assert any("stand still for 75 of 100 ms" in line for line in finding["evidence"])  # 2 CPUs: 2 threads really run
    with _probe(group, "1.24.11", GOMAXPROCS=finding["advice"][0]["value"]) as probe:
        process = inspect(probe.pid)
    assert {finding["severity"] for finding in process["findings"]} <= {"info"}


def test_a_pin_where_the_runtime_would_follow(groups: Groups) -> None:
    """With Go 1.27 the value that it would take by itself is better left unset, and so it is recommended."""
    group = groups.make("app")
    group.limit_cpu(150_000)
    with _probe(group, "1.27.3", language="1.27", GOMAXPROCS="2") as probe:
        process = inspect(probe.pid)
    assert "gomaxprocs-pinned" in _findings(process)
    setting = process["settings"]["GOMAXPROCS"]
    assert (setting["recommended"], setting["set"]) == (2, False)
    with _probe(group, "1.27.3", language="1.27") as probe:
        assert _cpu_rules(inspect(probe.pid)) == {"fractional-quota"}


def test_a_process_that_was_moved(groups: Groups) -> None:
    """A program that is moved after its start still obeys the old cgroup, and both are named."""
    old, new = groups.make("old"), groups.make("new")
    old.limit_cpu(150_000)
    new.limit_cpu(100_000)
    with _probe(old, "1.27.3", language="1.27") as probe:
        assert "follows-old-cgroup" not in _findings(inspect(probe.pid))
        for place in new.directories():
            (place / "cgroup.procs").write_text(str(probe.pid))
        finding = _findings(inspect(probe.pid))["follows-old-cgroup"]
        assert any(old.path in line for line in finding["evidence"])
        assert any(line.endswith(new.path) for line in finding["evidence"])
        old.remake()
        old.limit_cpu(300_000)
        old.write("cpu", "cgroup.procs", str(probe.pid))
        entry = inspect(probe.pid)  # back in a group of that name, which is not the one whose file is open
        assert (entry["go"]["follows"]["own"], entry["go"]["follows"]["exists"]) == (False, False)
        assert "which is gone" in _findings(entry)["follows-old-cgroup"]["summary"]


def test_the_cpus_changed_after_the_start(groups: Groups) -> None:
    """Go 1.24 keeps the CPU count of its start: two threads on the one CPU that is left."""
    with _probe(groups.make("app"), "1.24.11") as probe:
        assert "affinity-changed" not in _findings(inspect(probe.pid))
        subprocess.run(["taskset", "-a", "-p", "-c", "0", str(probe.pid)], check=True, capture_output=True)
        assert "affinity-changed" in _cpu_rules(inspect(probe.pid))


def test_a_first_thread_that_is_bound_alone(groups: Groups) -> None:
    """sched_setaffinity binds one thread: the others run on all CPUs, and so does the program."""
    with _probe(groups.make("app"), "1.24.11") as probe:
        subprocess.run(["taskset", "-p", "-c", "0", str(probe.pid)], check=True, capture_output=True)
        entry = inspect(probe.pid)
        assert entry["enforced"]["cpu"]["usable_cpus"] == probe.values["num_cpu"] > 1
        assert entry["settings"]["GOMAXPROCS"]["derived"] == probe.values["gomaxprocs"]
        assert _cpu_rules(entry) == set()


def test_real_throttling(counted: Groups) -> None:
    """A busy program under a fifth of a CPU is throttled, and with GOMAXPROCS right that is what is found."""
    group = _make_favoured(counted, 2_000, 10_000)
    with _probe(group, "1.24.11", "burn 2", GOMAXPROCS="2") as probe:
        deadline = time.monotonic() + 60
        while group.throttled()[0] < 310:
            assert time.monotonic() < deadline, group.throttled()
            time.sleep(0.1)
        finding = _findings(inspect(probe.pid))["cpu-throttled"]
    assert finding["severity"] == "warning"
    assert any("nr_throttled" in line for line in finding["evidence"])
    assert finding["advice"][0]["reason"].startswith("the quota is used up: raise the CPU limit"), finding


_NOW_AND_THEN = """
import time
def work(seconds):
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        pass
while True:
    work(0.028)
    for _ in range(18):
        time.sleep(0.05)
        work(0.002)
"""


def test_a_burst_that_ends_the_stops(counted: Groups) -> None:
    """28 ms of work at once, each second, under a fifth of a CPU: it is stopped each time, and with what is advised hardly ever."""
    group = _make_favoured(counted, 20_000)
    with subprocess.Popen([*_wrapper(group), sys.executable, "-c", _NOW_AND_THEN]) as program:
        try:
            time.sleep(1)
            (before,) = parse_report(run("inspect", "--pid", program.pid, "--window", "8", "--format", "json"))["processes"]
            finding = _findings(before)["cpu-throttled"]
            (advice,) = finding["advice"]
            written = re.search(r"write (\d+) to (/\S+)\. Kubernetes", advice["reason"])
            require(written is not None or "that can be read" not in advice["reason"], "bursts: needs Linux 5.14")
            assert written is not None, finding
            Path(written[2]).write_text(written[1])
            time.sleep(1)
            (after,) = parse_report(run("inspect", "--pid", program.pid, "--window", "8", "--format", "json"))["processes"]
        finally:
            program.kill()
    assert written[1] == "20000"
    stops = [process["rates"]["cpu"][0]["throttled_periods"] for process in (before, after)]
    assert "of the quota are in use, and busy moments go beyond it" in advice["reason"]
    assert stops[0] >= 4
    assert stops[1] * 4 <= stops[0], (stops, finding)
    assert after["enforced"]["cpu"]["chain"][0]["burst_us"] == 20_000


def test_a_memory_limit_that_go_does_not_know(groups: Groups) -> None:
    """Under 256 MiB the recommended GOMEMLIMIT leaves what was measured beside Go, and 10 %; set, it leaves no finding of memory."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    with _probe(group, "1.25.5") as probe:
        process = inspect(probe.pid)
    advice = _findings(process)["gomemlimit-unset"]["advice"][0]
    assert process["settings"]["GOMEMLIMIT"]["recommended"] == int(advice["value"].removesuffix("MiB")) * MIB
    assert 220 * MIB <= process["settings"]["GOMEMLIMIT"]["recommended"] <= 230 * MIB
    with _probe(group, "1.25.5", GOMEMLIMIT=advice["value"]) as probe:
        process = inspect(probe.pid)
        assert _findings(process).keys() - _cpu_rules(process) == set()


def test_a_limit_that_a_platform_only_says(groups: Groups, tmp_path: Path) -> None:
    """Variables as Slurm 22.05 gave them to a step that nothing constrained: they are told as said, a replay tells the same, and the
    advised GOMEMLIMIT ends the finding.
    """
    slurm = {"SLURM_JOB_ID": "2", "SLURM_CPUS_PER_TASK": "1", "SLURM_CPUS_ON_NODE": "1", "SLURM_MEM_PER_NODE": "512"}
    with _probe(groups.make("app"), "1.25.5", **slurm) as probe:
        process = inspect(probe.pid)
        assert run("snapshot", tmp_path / "recorded", "--pid", probe.pid).returncode == 0
    said = _findings(process)["limit-only-said"]
    assert (said["severity"], process["enforced"]["memory"]["limit_bytes"]) == ("info", None)
    assert [(advice["variable"], advice["value"]) for advice in said["advice"]] == [("GOMEMLIMIT", "460MiB")]
    again = parse_report(run("inspect", "--root", tmp_path / "recorded", "--format", "json"))["processes"][0]
    assert (_findings(again)["limit-only-said"], again["platforms"]) == (said, process["platforms"])
    with _probe(groups.make("app"), "1.25.5", GOMEMLIMIT="460MiB", **slurm) as probe:
        assert "limit-only-said" not in _findings(inspect(probe.pid))


def _look(probe: Probe, *arguments: str) -> dict[str, Any]:
    report = parse_report(run("inspect", "--pid", probe.pid, "--format", "json", *arguments))
    process: dict[str, Any] = report["processes"][0]
    return process


SURE = ("--policy", "measured-after=0s")  # as if the program had run for five minutes


@pytest.mark.parametrize("version", ["1.21.13", "1.27.3"])
def test_a_program_that_has_just_started(groups: Groups, version: str) -> None:
    """Within seconds of the start nothing is known of what will come beside Go: 460 of 512 MiB, and the reason says how early it was."""
    group = groups.make("app")
    group.limit_memory(512 * MIB)
    with _probe(group, version) as probe:
        process = _look(probe)
        sure = _look(probe, *SURE)["settings"]["GOMEMLIMIT"]
    memory, age = process["settings"]["GOMEMLIMIT"], process["age_seconds"]
    assert 0 <= age < 60
    assert 440 * MIB < memory["recommended"] <= 460 * MIB
    early = f"as it was measured {int(age)} s after its start: more may come"
    assert [line for line in memory["because"] if line.startswith("less ") and line.endswith(early)], memory["because"]
    assert 470 * MIB < sure["recommended"] <= 491 * MIB


@pytest.mark.parametrize("first", [(), SURE], ids=["advised early", "advised late"])
def test_a_busy_program_that_follows_is_left_in_peace(groups: Groups, first: tuple[str, ...]) -> None:
    """64 MiB: the first look's value is set, and ten looks at a busy program recommend that and find nothing, while others use more."""
    group = groups.make("app")
    group.limit_memory(64 * MIB)
    with _probe(group, "1.27.3", "burn 3") as probe:
        value = _look(probe, *first)["settings"]["GOMEMLIMIT"]["recommended"]
    assert value == (56 if first else 48) * MIB
    outside = 0
    with (
        tempfile.NamedTemporaryFile(prefix="cgtune-test-", dir="/dev/shm") as file,
        _probe(group, "1.27.3", "burn 3", GOMEMLIMIT=f"{value // MIB}MiB") as probe,
    ):
        for number in range(10):
            process = _look(probe, *(SURE if number % 2 else ()))
            memory = process["settings"]["GOMEMLIMIT"]
            assert (memory["recommended"], memory["set"]) == (value, True), memory["because"]
            assert _findings(process).keys() - _cpu_rules(process) == set()
            outside = max(outside, process["usage"]["memory"]["used_bytes"] - process["go"]["mapped_bytes"])
            for _ in range(3):
                probe.ask(f"alloc {4 * MIB}")
                probe.ask("free")
            grow = f"head -c {MIB * 3 // 4} /dev/zero >> {file.name}"  # memory of whoever writes it
            assert group.start(["/bin/sh", "-c", grow]).wait(timeout=60) == 0
    assert outside > MIB  # so that it would have been another value


def test_a_real_oom_kill_is_told_with_its_cause(groups: Groups) -> None:
    """A program without GOMEMLIMIT is killed; the next one in that cgroup has one finding, the cause, with the kill as evidence."""
    group = groups.make("app")
    group.limit_memory(96 * MIB)
    assert group.start([str(goprograms.build("1.27.3")), f"alloc {200 * MIB}"]).wait(timeout=120) == -9
    assert group.oom_kills() >= 1
    with _probe(group, "1.27.3") as probe:
        findings = _findings(inspect(probe.pid))
    assert "oom-killed" not in findings
    assert any("oom_kill 1" in line for line in findings["gomemlimit-unset"]["evidence"])


@pytest.mark.parametrize(("value", "rule"), [("256MiB", "gomemlimit-exceeds-limit"), ("254MiB", "gomemlimit-near-limit")])
def test_too_large_a_gomemlimit(groups: Groups, value: str, rule: str) -> None:
    """At the limit it can never act; just below it there is no room for the rest."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    with _probe(group, "1.27.3", GOMEMLIMIT=value) as probe:
        findings = _findings(inspect(probe.pid))
    assert rule in findings
    assert findings[rule]["advice"][0]["variable"] == "GOMEMLIMIT"


def test_a_live_heap_that_crowds_the_limit(groups: Groups) -> None:
    """With 75 % of the limit alive the limit itself is too small, and the size that ends it is named."""
    group = groups.make("app")
    group.limit_memory(128 * MIB)
    with _probe(group, "1.27.3", f"alloc {96 * MIB}", "gc", GOMEMLIMIT="118MiB") as probe:
        finding = _findings(inspect(probe.pid))["memory-limit-too-small"]
    assert finding["severity"] == "critical"  # from 75 % on
    assert f"{group.path}/memory.limit_in_bytes to 19" in finding["advice"][0]["reason"]  # some 193 MiB


def test_a_gomemlimit_that_is_too_small(groups: Groups) -> None:
    """GOMEMLIMIT=512 is 512 bytes: the finding says so and gives a value."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    with _probe(group, "1.27.3", "gc", GOMEMLIMIT="512") as probe:
        assert "gomemlimit-too-small" in _findings(inspect(probe.pid))


def test_a_small_gomemlimit_without_a_limit(groups: Groups) -> None:
    """Where no memory limit is enforced, a GOMEMLIMIT that is too small is to be unset, as the report says itself."""
    with _probe(groups.make("app"), "1.27.3", "gc", GOMEMLIMIT="1MiB") as probe:
        report = inspect(probe.pid)
        assert _findings(report)["gomemlimit-too-small"]["advice"] == [
            {"variable": "GOMEMLIMIT", "value": None, "reason": "no memory limit is enforced: Go's own default is right"}
        ]
        assert report["settings"]["GOMEMLIMIT"]["set"] is False


def test_two_programs_under_one_limit(groups: Groups) -> None:
    """What two runtimes may take is added up, and each is recommended its part."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    with _probe(group, "1.27.3", GOMEMLIMIT="200MiB") as one, _probe(group, "1.27.3", GOMEMLIMIT="200MiB") as other:
        report = parse_report(run("inspect", "--pid", one.pid, "--pid", other.pid, "--format", "json"))
    for process in report["processes"]:
        assert _findings(process)["memory-shared"]["severity"] == "warning"
        assert any("2 Go runtimes share it" in line for line in process["settings"]["GOMEMLIMIT"]["because"])
    parts = [process["settings"]["GOMEMLIMIT"]["recommended"] for process in report["processes"]]
    assert 200 * MIB <= sum(parts) <= 231 * MIB


def test_what_a_program_did_itself(groups: Groups, tmp_path: Path) -> None:
    """A limit that the program set, and a collector that is off: worth knowing in the first minute, critical after it."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    with _probe(group, "1.27.3", f"memlimit {200 * MIB}") as probe:
        assert "gomemlimit-changed-in-process" in _findings(inspect(probe.pid))
    with _probe(group, "1.27.3", GOGC="off") as probe:
        findings = _findings(inspect(probe.pid))
        assert findings["gc-off-without-limit"]["severity"] == "info"
        assert "gomemlimit-unset" not in findings
        assert run("snapshot", tmp_path / "recording", "--pid", probe.pid).returncode == 0
    uptime = tmp_path / "recording" / "proc" / "uptime"
    now, idle = map(float, uptime.read_text().split())
    uptime.write_text(f"{now + 60:.2f} {idle:.2f}\n")  # the same process a minute later
    report = parse_report(run("inspect", "--root", tmp_path / "recording", "--format", "json"))
    findings = _findings(report["processes"][0])
    assert findings["gc-off-without-limit"]["severity"] == "critical"
    assert "gomemlimit-unset" not in findings


@pytest.mark.parametrize(
    ("name", "value", "rule", "severity", "evidence", "advised"),
    [
        ("GOGC", "50%", "gogc-malformed", "warning", "GOGC is 100 (read from its memory)", None),
        ("GOMAXPROCS", "4.0", "gomaxprocs-malformed", "warning", "GOMAXPROCS is 2 (read from its memory)", "1"),
        (
            "GODEBUG",
            "gctrace=0,asynctimerchan=1",
            "godebug-removed-setting",
            "info",
            'fatal error: removed GODEBUG "asynctimerchan" set to old value "1" in environment (https://go.dev/doc/godebug#go-127)',
            "gctrace=0",
        ),
    ],
)
def test_a_text_that_go_ignores(
    groups: Groups, name: str, value: str, rule: str, severity: str, evidence: str, advised: str | None
) -> None:
    """The finding quotes the variable's file and what holds instead; with what is advised it is gone."""
    group = groups.make("app")
    group.limit_cpu(100_000)
    with _probe(group, "1.24.11", **{name: value}) as probe:
        report = parse_report(run("inspect", "--pid", probe.pid, "--rounding", "floor", "--format", "json"))
    finding = _findings(report["processes"][0])[rule]
    assert finding["severity"] == severity
    assert {f"/proc/{probe.pid}/environ: {name}={value!r}", evidence} <= set(finding["evidence"])
    assert (finding["advice"][0]["variable"], finding["advice"][0]["value"]) == (name, advised)
    with _probe(group, "1.24.11", **({name: advised} if advised else {})) as probe:
        assert rule not in _findings(inspect(probe.pid))


@pytest.mark.parametrize(
    ("name", "value", "rule", "advised"),
    [
        ("GOMEMLIMIT", "512Mi", "gomemlimit-malformed", ["921MiB", "512MiB"]),  # 1 GiB less 10 %, and what was meant
        ("GODEBUG", "tls3des=1,gctrace=0", "godebug-removed-setting", ["gctrace=0"]),
    ],
)
def test_a_text_that_really_kills(name: str, value: str, rule: str, advised: list[str]) -> None:
    """A real program ends with status 2; the prediction for that file quotes its last words, and with each advised value it lives."""
    program = goprograms.build("1.27.3")
    done = subprocess.run([program, "exit"], env={name: value}, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    last_words = next(line for line in done.stderr.splitlines() if line.startswith("fatal error:"))
    words = ("--binary", program, "--cpus", 2, "--memory-limit", "1Gi", "--env", f"{name}={value}", "--format", "json")
    predicted = run("predict", *words)
    assert predicted.returncode == 0, predicted.stderr
    finding = next(finding for finding in json.loads(predicted.stdout)["rows"][0]["findings"] if finding["rule"] == rule)
    assert finding["severity"] == "critical"
    assert finding["evidence"] == [f"environment: {name}={value!r}", last_words]
    assert [(step["variable"], step["value"]) for step in finding["advice"]] == [(name, text) for text in advised]
    for text in advised:
        assert subprocess.run([program, "exit"], env={name: text}, capture_output=True, check=False, timeout=120).returncode == 0


def test_a_kill_that_go_could_not_prevent(groups: Groups) -> None:
    """Another program's death beside a Go program that minds its limit: the kill itself is the finding, with the kernel's counter."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    eater = group.start(["/bin/sh", "-c", "exec tail /dev/zero"])  # no newline comes: it keeps all it reads
    assert eater.wait(timeout=120) == -9
    with _probe(group, "1.27.3", GOMEMLIMIT="220MiB") as probe:
        finding = _findings(inspect(probe.pid))["oom-killed"]
    assert finding["severity"] == "warning"
    assert any(line.endswith("oom_kill 1") for line in finding["evidence"]), finding["evidence"]
    assert finding["advice"]


@pytest.mark.parametrize(
    ("quota_us", "environ", "rule", "severity", "evidence"),
    [
        pytest.param(50_000, {}, "quota-below-two-cpus", "info", "2 busy threads use up the quota of 50 ms in 25 ms", id="half a CPU"),
        pytest.param(150_000, {}, "fractional-quota", "info", "2 busy threads use up the quota of 150 ms in 75 ms", id="1.5 CPUs"),
        pytest.param(200_000, {"GOMAXPROCS": "1"}, "gomaxprocs-below-quota", "info", "GOMAXPROCS is 1 (read from its ", id="a pin too low"),
    ],
)
def test_a_quota_and_the_threads_under_it(
    groups: Groups, quota_us: int, environ: dict[str, str], rule: str, severity: str, evidence: str
) -> None:
    """What is left to say of Go 1.27, which sees its quota: one finding of the CPU, with the file and the threads in its evidence."""
    group = groups.make("app")
    group.limit_cpu(quota_us)
    with _probe(group, "1.27.3", language="1.27", **environ) as probe:
        process = inspect(probe.pid)
    assert _cpu_rules(process) == {rule}
    finding = _findings(process)[rule]
    assert finding["severity"] == severity
    assert any(evidence in line for line in finding["evidence"]), finding["evidence"]
    assert any(str(quota_us) in line for line in finding["evidence"]), finding["evidence"]


def test_two_go_libraries_in_one_process(groups: Groups) -> None:
    """One environment for both: GOMAXPROCS is needed for the older one, and twice GOMEMLIMIT fits into the limit."""
    require(shutil.which("gcc"), "builds shared libraries: needs gcc")
    group = groups.make("app")
    group.limit_cpu(100_000)
    group.limit_memory(256 * MIB)
    libraries = (goprograms.build("1.27.3", "shared-sw", language="1.25"), goprograms.build("1.21.13", "shared"))
    with LibraryHost(*libraries, wrapper=_wrapper(group)) as host:
        host.ask(f"0 alloc {60 * MIB}")
        process = inspect(host.pid)
    (second,) = process["more_runtimes"]
    for settings in (process["settings"], second["settings"]):
        assert (settings["GOMAXPROCS"]["recommended"], settings["GOMAXPROCS"]["set"]) == (2, True)
        assert 80 * MIB < settings["GOMEMLIMIT"]["recommended"] < 123 * MIB
    assert [finding["rule"] for finding in process["findings"]].count("gomemlimit-unset") == 1
    advised = str(process["settings"]["GOMEMLIMIT"]["recommended"])
    with LibraryHost(*libraries, wrapper=_wrapper(group), environment={"GOMAXPROCS": "2", "GOMEMLIMIT": advised}) as host:
        assert [report["memory_limit"] for report in host.reports] == [int(advised)] * 2
        assert {finding["severity"] for finding in inspect(host.pid)["findings"]} <= {"info"}


_LIBRARY = "go.uber.org/automaxprocs"


def _build_with_library(version: str, language: str, folder: Path) -> Path:
    """A program that imports a library by that name which, as the real one does under 1.5 CPUs, sets GOMAXPROCS to 1 at the start.

    It leaves a variable alone that is there, be it empty (findings/automaxprocs-empty-variable.sh).
    """
    source = folder / f"source-{version}"
    (source / "library").mkdir(parents=True)
    (source / "library" / "go.mod").write_text(f"module {_LIBRARY}\n\ngo 1.21\n")
    (source / "library" / "library.go").write_text(
        'package automaxprocs\n\nimport (\n\t"os"\n\t"runtime"\n)\n\nfunc init() {\n'
        '\tif _, there := os.LookupEnv("GOMAXPROCS"); !there {\n\t\truntime.GOMAXPROCS(1)\n\t}\n}\n'
    )
    (source / "go.mod").write_text(
        f"module example.com/served\n\ngo {language}\n\nrequire {_LIBRARY} v1.6.0\n\nreplace {_LIBRARY} => ./library\n"
    )
    (source / "main.go").write_text(
        f'package main\n\nimport (\n\t"os"\n\n\t_ "{_LIBRARY}"\n)\n\n'
        'func main() {\n\tos.Stdout.WriteString("{}\\n")\n\tos.Stdin.Read(make([]byte, 1))\n}\n'
    )
    return toolchains.build(version, source, folder / f"program-{version}", "-buildvcs=false")


def test_a_library_that_the_runtime_made_superfluous(groups: Groups, tmp_path: Path) -> None:
    """automaxprocs in the build info is one finding with Go 1.27, which would follow the quota itself, and none with 1.24."""
    group = groups.make("app")
    group.limit_cpu(150_000)
    with Probe(_build_with_library("1.27.3", "1.27", tmp_path), wrapper=_wrapper(group)) as probe:
        process = inspect(probe.pid)
    assert _cpu_rules(process) == {"automaxprocs-redundant"}
    finding = _findings(process)["automaxprocs-redundant"]
    assert finding["severity"] == "info"
    assert any(line.startswith(f"build info: {_LIBRARY} v1.6.0") for line in finding["evidence"])
    assert any(line.startswith("GOMAXPROCS is 1 (read from its ") for line in finding["evidence"])
    with Probe(_build_with_library("1.24.11", "1.21", tmp_path), wrapper=_wrapper(group)) as probe:
        assert _cpu_rules(inspect(probe.pid)) == set()


def test_an_empty_variable_that_a_library_takes_for_a_choice(groups: Groups, tmp_path: Path) -> None:
    """To Go 1.24 it is unset and to automaxprocs set, so nobody reads the quota; Go 1.27 reads it, and the library stops nothing."""
    group = groups.make("app")
    group.limit_cpu(150_000)
    old, new = (_build_with_library(*versions, tmp_path) for versions in (("1.24.11", "1.21"), ("1.27.3", "1.27")))
    with Probe(old, wrapper=_wrapper(group), environment={"GOMAXPROCS": ""}) as probe:
        process = inspect(probe.pid)
    assert _cpu_rules(process) - {"fractional-quota"} == {"gomaxprocs-malformed"}
    finding = _findings(process)["gomaxprocs-malformed"]
    assert "GOMAXPROCS='' is unset to Go 1.24.11 and a choice to automaxprocs" in finding["summary"]
    assert process["settings"]["GOMAXPROCS"]["observed"] == os.cpu_count()
    with Probe(new, wrapper=_wrapper(group), environment={"GOMAXPROCS": ""}) as probe:
        assert not {"gomaxprocs-malformed", "automaxprocs-redundant"} & _cpu_rules(inspect(probe.pid))


def test_neighbours_that_take_the_cpus(groups: Groups) -> None:
    """Two busy neighbours with fifty times its weight: its threads wait though it has no quota, and what they wait for is told."""
    group, others = groups.make("app"), groups.make("others")
    for each, shares, weight in ((group, 20, 1), (others, 1024, 100)):
        if each.version("cpu") == 2:
            each.write("cpu", "cpu.weight", str(weight))
        else:
            each.write("cpu", "cpu.shares", str(shares))
    spin = ["taskset", "-c", "0,1", sys.executable, "-c", "while True: pass"]
    neighbours = [others.start(spin) for _ in range(2)]
    try:
        with _probe(group, "1.27.3", "burn 2", GOMAXPROCS="2") as probe:
            process = _look(probe, "--window", "5")
            failed = run("check", "--pid", probe.pid, "--window", "5", "--fail-on", "harm")
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    finding = process["findings"][0]
    assert (finding["rule"], finding["severity"], finding["harm"]) == ("cpu-contended", "critical", "now")
    assert any("CPUs were busy" in line for line in finding["evidence"])
    assert failed.returncode == 1
    assert failed.stdout.startswith(f"critical cpu-contended, hurts now: {probe.pid} ")


def test_a_queue_of_goroutines_beside_an_idle_cpu(groups: Groups) -> None:
    """One thread, eight busy goroutines, two CPUs: the queue is told, and what it would take; not while others use all CPUs."""
    group = groups.make("app")
    for place in {place for folder in group.directories() for place in (folder, folder.parent)}:
        for name, most in (("cpu.shares", "100000"), ("cpu.weight", "10000")):
            if (place / name).exists():  # its one thread is to have its CPU, whoever else tests here
                (place / name).write_text(most)
    with _probe(group, "1.27.3", "burn 8", GOMAXPROCS="1") as probe:
        for _ in range(5):
            began, before = time.monotonic(), _idle_seconds()
            finding = _findings(_look(probe, "--window", "3")).get("threads-short")
            idle = (_idle_seconds() - before) / (time.monotonic() - began)
            if idle > 0.2:
                break
            assert finding is None or idle > 0.05, f"no CPU was idle ({idle:.3f}), but {finding}"
        else:
            return  # all the time there was none that more threads could have used
    assert finding is not None, f"{idle:.3f} CPUs were idle"
    assert (finding["severity"], finding["harm"]) == ("warning", "now")
    assert "its CPUs are worth 2" in finding["summary"]


def _idle_seconds() -> float:
    """How long the CPUs of this machine had nothing to do."""
    ticks = Path("/proc/stat").read_text().split()
    return (int(ticks[4]) + int(ticks[5])) / os.sysconf("SC_CLK_TCK")


def test_memory_that_has_nearly_reached_the_limit(groups: Groups) -> None:
    """All but 2 MiB of the limit are anonymous: the next allocation may be the last. The program is no Go program."""
    group = groups.make("app")
    group.limit_memory(96 * MIB)
    hold = "import sys\ndata = bytearray(80 << 20)\nprint(len(data), flush=True)\nsys.stdin.read()"
    with subprocess.Popen(
        [*_wrapper(group), sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == f"{80 << 20}\n"
        used = next(level["used_bytes"] for level in inspect(program.pid)["enforced"]["memory"]["chain"] if level["used_bytes"] is not None)
        group.limit_memory((used + 2 * MIB) // 4096 * 4096)
        finding = _findings(inspect(program.pid))["memory-near-limit"]
        assert program.stdin is not None
        program.stdin.close()
    assert finding["severity"] in ("warning", "critical")
    assert "nothing of the rest can be given back" in finding["summary"]


#: Keeps 60 MiB, waits for a line, and reads a mapped file: its pages in any order again and again, or in their order, once.
_READER = """
import mmap, random, sys, time
held = b"x" * (60 << 20)
with open(sys.argv[1], "rb") as file:
    pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print("ready", flush=True)
sys.stdin.readline()
while sys.argv[2] == "again":
    pages[random.randrange(len(pages))]
for offset in range(0, len(pages), mmap.PAGESIZE):
    pages[offset]
print("read", flush=True)
time.sleep(600)
"""


@contextmanager
def _reader(group: Group, file: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """That program, which has begun to read."""
    argv = [*_wrapper(group), sys.executable, "-c", _READER, str(file), how]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.stdin.write("\n")
        program.stdin.flush()
        try:
            yield program
        finally:
            program.kill()


def test_files_that_go_and_come_back(groups: Groups, tmp_path: Path) -> None:
    """Half of a file of 32 MiB fits beside the heap: its pages come and go, which is told with what would be enough; with room it is not.
    Nor is it of a file of four times the limit that is read once, though its pages count as such that came back if others had them before.
    """
    small, large = tmp_path / "small", tmp_path / "large"
    for file, size in ((small, 32 * MIB), (large, 384 * MIB)):
        with file.open("wb") as written:
            written.write(os.urandom(MIB) * (size // MIB))
            os.fsync(written.fileno())  # what is dirty cannot be dropped
            os.posix_fadvise(written.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(small)], capture_output=True, text=True, check=True).stdout.strip()
    require(kind not in ("tmpfs", "ramfs"), "needs a temporary folder on a disk")
    group = groups.make("app")
    group.limit_memory(88 * MIB)
    with _reader(group, small, "again") as program:
        looks: list[dict[str, Any]] = []  # several: on a busy machine it hardly runs in some of them
        while "memory-thrashing" not in _findings(looks[-1] if looks else {"findings": ()}):
            assert len(looks) < 8, [(look["rates"], look["enforced"]["memory"]["chain"][0]["parts"]) for look in looks]
            looks.append(inspect(program.pid, "--window", "4"))
        finding = _findings(looks[-1])["memory-thrashing"]
        assert (finding["harm"], finding["severity"] in ("warning", "critical")) == ("now", True)
        assert any("MiB are needed: " in line and "MiB of files in use" in line for line in finding["evidence"])
        group.limit_memory(128 * MIB)
        time.sleep(4.0)
        assert "memory-thrashing" not in _findings(inspect(program.pid, "--window", "4"))
    for look in range(2):
        with _reader(group, large, "once") as program:
            found = _findings(inspect(program.pid, "--window", "4"))
        assert "memory-thrashing" not in found, (look, found)


def test_a_collector_that_does_most_of_the_work(groups: Groups) -> None:
    """Under GOGC=10 with a million and a half records alive: the collector's share of the time is told, by its own count."""
    with _probe(groups.make("app"), "1.27.3", "garbage 1500000", GOGC="10", GOMAXPROCS="2") as probe:
        deadline = time.monotonic() + 120
        while (process := _look(probe))["age_seconds"] < 10 or process["used"]["cpu_seconds"] < 5:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    finding = _findings(process)["collector-busy"]
    assert (finding["severity"], finding["harm"]) in (("critical", "now"), ("warning", "now"))
    assert any("collections (read from memory)" in line for line in finding["evidence"])


def test_a_limit_that_was_raised_since(groups: Groups) -> None:
    """GOMEMLIMIT was right for 64 MiB; now there are 256, and 45 MiB are alive."""
    group = groups.make("app")
    group.limit_memory(256 * MIB)
    with _probe(group, "1.27.3", f"alloc {45 * MIB}", "gc", GOMEMLIMIT="56MiB") as probe:
        finding = _findings(inspect(probe.pid))["gomemlimit-stale"]
    assert finding["severity"] in ("warning", "critical")
    assert finding["advice"][0]["variable"] == "GOMEMLIMIT"
    assert int(finding["advice"][0]["value"].removesuffix("MiB")) > 150


def test_a_limit_that_two_days_did_not_need(groups: Groups, tmp_path: Path) -> None:
    """An idle program under 512 MiB and two CPUs, recorded; with the recording's clocks two days later its limits were never needed."""
    group = groups.make("app")
    group.limit_memory(512 * MIB)
    group.limit_cpu(150_000)
    with _probe(group, "1.27.3", GOMEMLIMIT="480MiB") as probe:
        assert "limit-unneeded" not in _findings(inspect(probe.pid))
        assert run("snapshot", tmp_path / "recording", "--pid", probe.pid).returncode == 0
    marker, uptime = tmp_path / "recording" / "cgtune-snapshot.json", tmp_path / "recording" / "proc" / "uptime"
    content = json.loads(marker.read_text())
    marker.write_text(json.dumps(content | {"time_seconds": content["time_seconds"] + 2 * 86400}))
    up, *rest = uptime.read_text().split()
    uptime.write_text(" ".join([f"{float(up) + 2 * 86400:.2f}", *rest]) + "\n")
    report = parse_report(run("inspect", "--root", tmp_path / "recording", "--pid", probe.pid, "--format", "json"))
    finding = _findings(report["processes"][0])["limit-unneeded"]
    assert (finding["severity"], finding["harm"]) == ("info", "possible")
    assert any("of 512 MiB" in line for line in finding["evidence"])
