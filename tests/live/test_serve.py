"""``cgtune serve`` beside real Go programs in real control groups: a fault shows, is mended, and ends; nobody who stays is missed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import _ENTER, Group, Groups
from tests.support import goprograms, toolchains
from tests.support.command import ROOT, uncounted
from tests.support.goprograms import Probe
from tests.support.needs import only_where, require
from tests.support.serving import PATIENCE_SECONDS, Samples, Service, parse_metrics

pytestmark = pytest.mark.live

SLEEP = "sleep 600000"


@pytest.fixture(autouse=True)
def _can_build() -> None:
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    require({0, 1} <= os.sched_getaffinity(0), "needs CPUs 0 and 1")


def build(version: str) -> Path:
    """The probe by that Go."""
    return goprograms.build(version)


def start(group: Group, program: Path, *commands: str, **environ: str) -> subprocess.Popen[bytes]:
    """A Go program in a group, on CPUs 0 and 1, once its runtime has its values."""
    started = group.start(["taskset", "-c", "0,1", str(program), *commands], **environ)
    status = Path(f"/proc/{started.pid}/status")
    # The runtime reads its variables before it starts a second thread (runtime/proc.go: schedinit, then main starts sysmon)
    wait_for(lambda: (said := status.read_text()).startswith("Name:\tgoprobe") and "\nThreads:\t1\n" not in said)
    return started


def wait_for(is_so: Callable[[], object]) -> None:
    """Until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.02)


def findings(page: Samples, pid: int) -> dict[str, str]:
    """Rule and severity of what is found on a process."""
    return {labels["rule"]: labels["severity"] for labels, _ in page.get("cgtune_finding", []) if labels["pid"] == str(pid)}


def scans(page: Samples) -> float:
    """How many scans there were."""
    return page["cgtune_scans_total"][0][1]


def value(page: Samples, name: str, pid: int) -> float | None:
    """The value of one process's series."""
    return next((number for labels, number in page.get(name, []) if labels["pid"] == str(pid)), None)


def test_a_mistuned_program_shows_within_two_intervals_and_ends_when_it_is_mended(groups: Groups) -> None:
    """GOMAXPROCS=8 in half a CPU is a finding two scans later; it ends when the quota is raised, and with the value that is advised."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    with Service("--interval", "1s") as service:
        service.wait_for_report()
        program = start(group, build("1.24.11"), SLEEP, GOMAXPROCS="8")
        before = scans(service.metrics())
        page = service.metrics()
        while findings(page, program.pid).get("gomaxprocs-exceeds-quota") != "warning":
            # The scan that was under way may have passed it by; the next one sees it, and may be counted a moment before it shows
            assert scans(page) - before <= 2
            time.sleep(0.02)
            page = service.metrics()
        assert value(page, "cgtune_cpu_limit_cores", program.pid) == 0.5
        assert value(page, "cgtune_gomaxprocs_observed", program.pid) == 8
        advised = value(page, "cgtune_gomaxprocs_recommended", program.pid)
        assert advised == 2
        service.wait_for(lambda: _warnings(service, program.pid))
        (line,) = _warnings(service, program.pid)
        assert line["advice"][0].startswith("set GOMAXPROCS=2: ")

        group.limit_cpu(None)
        service.wait_for(lambda: value(service.metrics(), "cgtune_cpu_limit_cores", program.pid) == float("inf"))
        assert "warning" not in findings(service.metrics(), program.pid).values()
        group.limit_cpu(50_000)
        service.wait_for(lambda: findings(service.metrics(), program.pid).get("gomaxprocs-exceeds-quota") == "warning")

        program.kill()
        program.wait()
        mended = start(group, build("1.24.11"), SLEEP, GOMAXPROCS=str(int(advised)))
        service.wait_for(lambda: value(service.metrics(), "cgtune_gomaxprocs_observed", mended.pid) == 2)
        assert "warning" not in findings(service.metrics(), mended.pid).values()
        service.wait_for(lambda: any(line["pid"] == program.pid for line in service.events("process-gone")))
        assert findings(service.metrics(), program.pid) == {}
        assert service.stop() < 2


def test_the_page_has_what_collector_and_scheduler_count() -> None:
    """Collections, heap goal and goroutines are those that the program tells, look after look; all Ps are idle while it rests."""
    with Probe(build("1.27.3"), environment={"GOMAXPROCS": "3"}) as probe, Service("--interval", "1s") as service:

        def told() -> list[float | None]:
            page = service.metrics()
            names = ("collections_total", "goroutines", "heap_goal_bytes", "idle_procs", "queued_goroutines")
            return [value(page, f"cgtune_go_{name}", probe.pid) for name in names]

        for command in ("gc", "wait 90", "alloc 9000000"):
            probe.ask(command)
            time.sleep(0.1)
            said = probe.ask("report")
            expected = [said["collections"], said["goroutines"], said["heap_goal"], 3, 0]
            service.wait_for(lambda expected=expected: told() == expected)  # type: ignore[misc]


def _warnings(service: Service, pid: int) -> list[dict[str, Any]]:
    """The log's lines of warnings that appeared on a process; each is written after the report that it is about has been served."""
    return [line for line in service.events("finding-appeared") if line["pid"] == pid and line["severity"] == "warning"]


def test_check_turns_when_the_program_does(groups: Groups) -> None:
    """A probe of /check is 503 while GOMAXPROCS is wrong and 200 after the program itself has set it right."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    wrapper = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--", "taskset", "-c", "0,1")
    with (
        Probe(build("1.24.11"), environment={"GOMAXPROCS": "8"}, wrapper=wrapper) as program,
        Service("--pid", program.pid, "--interval", "200ms") as service,
    ):
        service.wait_for_report()
        service.wait_for(lambda: service.fetch("/check").body.startswith(f"warning gomaxprocs-exceeds-quota: {program.pid} goprobe"))
        assert service.fetch("/check").status == 503
        program.ask("gomaxprocs 1")
        service.wait_for(lambda: service.fetch("/check").status == 200)
        service.wait_for(lambda: any(line["rule"] == "gomaxprocs-exceeds-quota" for line in service.events("finding-ended")))


def test_throttling_is_judged_while_it_goes_on(groups: Groups) -> None:
    """A busy loop in a tenth of a CPU: nothing at the first looks, whatever was before, and a critical finding after 300 periods."""
    group = groups.make("app")
    group.limit_cpu(1_000, 10_000)  # periods of 10 ms: 300 of them are 3 s; and the least quota, that a busy machine gives it that much
    program = start(group, build("1.24.11"), "burn 1", SLEEP, GOMAXPROCS="1")
    wait_for(lambda: group.throttled()[1] > 400)
    before = group.throttled()[0]
    with Service("--pid", program.pid, "--interval", "500ms") as service:
        service.wait_for_report()
        pages: list[Samples] = []

        def is_found() -> bool:
            pages.append(service.metrics())
            return bool(findings(pages[-1], program.pid))

        service.wait_for(is_found)
        assert set(findings(pages[-1], program.pid)) == {"cpu-throttled"}
        assert (value(pages[-1], "cgtune_cpu_periods_total", program.pid) or 0) >= before + 300  # whatever was before the first look
        service.wait_for(lambda: findings(service.metrics(), program.pid).get("cpu-throttled") == "critical")
        report = json.loads(service.fetch("/report").body)
        (finding,) = [one for one in report["processes"][0]["findings"] if one["rule"] == "cpu-throttled"]
        assert finding["summary"].endswith("while it was watched")
        page = service.metrics()
        periods, throttled, seconds = group.throttled()
        assert 0 < (value(page, "cgtune_cpu_throttled_periods_total", program.pid) or 0) <= throttled <= periods
        assert 0 < (value(page, "cgtune_cpu_throttled_seconds_total", program.pid) or 0) <= seconds


_EXECUTOR = """package main

import (
	"os"
	"syscall"
)

func main() {
	println("ready")
	syscall.Read(0, make([]byte, 1))
	panic(syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
}
"""


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Go program that becomes another one when it is told to."""
    folder = tmp_path_factory.mktemp("executor")
    (folder / "main.go").write_text(_EXECUTOR)
    (folder / "go.mod").write_text("module example.com/executor\n\ngo 1.21\n")
    return toolchains.build("1.24.11", folder, folder / "executor", "-buildvcs=false")


def test_a_process_that_becomes_another_program_is_known_again(executor: Path) -> None:
    """exec(2) keeps pid and start time: from a shell to Go, from Go to another Go, from Go to something else."""
    probe = build("1.27.3")
    shell = f'read line; exec "{executor}" "{probe}" "sleep 600000"'
    with Service("--interval", "200ms") as service:
        service.wait_for_report()
        with subprocess.Popen(
            ["/bin/sh", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as program:
            try:
                looks = scans(service.metrics())
                service.wait_for(lambda: scans(service.metrics()) >= looks + 2)  # it is known as a shell
                assert program.stdin is not None
                program.stdin.write(b"\n")
                program.stdin.flush()
                service.wait_for(lambda: _go_version(service, program.pid) == "1.24.11")
                program.stdin.write(b"x")
                program.stdin.flush()
                service.wait_for(lambda: _go_version(service, program.pid) == "1.27.3")
                service.wait_for(lambda: len(_comings(service, program.pid)) >= 3)
                came, went = ("process-came", "Go 1.24.11) came"), ("process-went", "Go 1.24.11) went")
                assert _comings(service, program.pid) == [came, went, ("process-came", "Go 1.27.3) came")]
            finally:
                program.kill()
        with subprocess.Popen([executor, "/bin/sleep", "600"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
            try:
                service.wait_for(lambda: _go_version(service, program.pid) == "1.24.11")
                assert program.stdin is not None
                program.stdin.write(b"x")
                program.stdin.flush()
                service.wait_for(lambda: _go_version(service, program.pid) is None)
            finally:
                program.kill()


def _comings(service: Service, pid: int) -> list[tuple[str, str]]:
    events = [(line["event"], line["message"].rpartition("(")[2]) for line in service.log if line.get("pid") == pid]
    return [event for event in events if event[0].startswith("process")]


def _go_version(service: Service, pid: int) -> str | None:
    return next((labels["go_version"] for labels, _ in service.metrics().get("cgtune_go_info", []) if labels["pid"] == str(pid)), None)


def test_a_full_disk_is_said_once_and_over_when_it_is(tmp_path: Path) -> None:
    """On a full tmpfs the old file stays as it is and the service goes on; with room again it writes again."""
    require(os.geteuid() == 0, "mounts a tmpfs: run as root")
    folder = tmp_path / "textfiles"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "cgtune-test", str(folder)], check=True)
    try:
        path, filler = folder / "cgtune.prom", folder / "filler"
        with (
            subprocess.Popen(["sleep", "60"]) as target,
            Service("--pid", target.pid, "--textfile", path, "--interval", "200ms", listen=None) as service,
        ):
            service.wait_for(path.exists)

            def is_full() -> bool:
                _fill(filler)  # again: a draft that was written before the disk was full leaves room when it takes the old file's place
                return bool(service.events("trouble"))

            service.wait_for(is_full)
            old = path.read_bytes()
            for _attempt in range(3):
                _wait_for_a_write(service.pid)
            assert path.read_bytes() == old
            assert [line["message"] for line in service.events("trouble")] == [
                f"textfile: --textfile '{path}': No space left on device; nothing was written, what stood there stands"
            ]
            service.wait_for(lambda: sorted(name.name for name in folder.iterdir()) == ["cgtune.prom", "filler"])  # no draft stays
            filler.unlink()
            service.wait_for(lambda: service.events("over"))
            service.wait_for(lambda: path.read_bytes() != old)
            assert "cgtune_cpu_usable_cpus" in parse_metrics(path.read_text())
            assert service.stop() < 2
            target.kill()
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _wait_for_a_write(pid: int) -> None:
    """Until it has tried to write: a file without a name leaves no trace in its folder."""
    io = Path(f"/proc/{pid}/io")

    def writes() -> str:
        return next(line for line in io.read_text().splitlines() if line.startswith("syscw:"))

    before = writes()
    wait_for(lambda: writes() != before)


def _fill(path: Path) -> None:
    with open(path, "ab", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return


def test_hundreds_of_processes_come_and_go(executor: Path) -> None:
    """For half a minute Go processes live a tenth of a second to six: nothing grows, no scan fails, and nobody who stays is missed."""
    words = [str(ROOT / "scripts" / "bench" / "serve"), "--churn", "25"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=uncounted())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def groups() -> Iterator[Groups]:
    """A place for this test's control groups."""
    from tests.live.cgroups import own_groups

    with own_groups() as made:
        yield made
