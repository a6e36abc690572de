"""What cannot be seen, or fails to be read, on a real kernel: never a clean verdict without a word."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.cgroups import Groups, hierarchies
from tests.support import faults, goprograms, toolchains
from tests.support.command import PROGRAM, environment, inspect
from tests.support.goprograms import Probe
from tests.support.needs import only_where, require
from tests.support.serving import Service, rss_bytes

pytestmark = pytest.mark.live

MIB = 1 << 20
_POWERLESS = ("setpriv", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--")
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"'


def _program(version: str) -> Path:
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    return goprograms.build(version)


def _started(groups: Groups, program: Path, *wrapper: str, quota: bool = True, limit: bool = True, **environ: str) -> Iterator[Probe]:
    group = groups.make("app")
    if quota:
        group.limit_cpu(50_000)
    if limit:
        group.limit_memory(128 * MIB)
    inside = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")
    with Probe(program, wrapper=(*inside, *wrapper), environment=environ) as probe:
        yield probe


def _run(wrapper: tuple[str, ...], *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [*wrapper, *PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment(), stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("option", ["invisible", "ptraceable"])
def test_who_sees_nobodys_processes_gives_no_verdict(option: str) -> None:
    """Under hidepid nobody else's process is in /proc: that there is no Go program is not known then."""
    require(os.geteuid() == 0, "run as root: it mounts a /proc of its own")
    inside = ("unshare", "--mount", "sh", "-c", f'mount -t proc -o hidepid={option} proc /proc && exec "$@"', "sh", *_POWERLESS)
    done = _run(inside, "check")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"is mounted with hidepid={option}: processes of other users cannot be seen" in done.stderr
    assert "CAP_SYS_PTRACE" in done.stderr
    assert "hidepid" in _run(inside, "check", "--pid", os.getpid()).stderr
    assert "hidepid" in _run(inside, "ps").stdout


def test_a_proc_of_processes_alone_costs_notes() -> None:
    """Under subset=pid there is no /proc/meminfo: the report says so, and tells the rest."""
    require(os.geteuid() == 0, "run as root: it mounts a /proc of its own")
    inside = ("unshare", "--mount", "sh", "-c", 'mount -t proc -o subset=pid proc /proc && exec "$@"', "sh")
    done = _run(inside, "inspect", "--self")
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("meminfo", "stat"):
        assert f"/proc/{name}: it does not exist here" in done.stdout


def test_threads_apart_are_told_beside_a_quota(groups: Groups) -> None:
    """One thread under SCHED_FIFO obeys no quota, and on v1 one in another cgroup obeys that one's."""
    for probe in _started(groups, _program("1.25.5"), limit=False):
        threads = sorted(int(entry.name) for entry in Path(f"/proc/{probe.pid}/task").iterdir() if entry.name != str(probe.pid))
        assert inspect(probe.pid)["notes"] == []
        top = hierarchies()["cpu"][1] / groups.name
        for share in (top / "cpu.rt_runtime_us", top / "app/cpu.rt_runtime_us"):  # v1 may have a share of real time for each group
            if share.exists():
                share.write_text("10000")
        done = subprocess.run(["chrt", "-f", "-p", "1", str(threads[0])], capture_output=True, text=True, check=False)
        require(done.returncode == 0, f"a thread cannot be given a real-time policy here: {done.stderr}")
        (note,) = inspect(probe.pid)["notes"]
        assert note["path"] == f"/proc/{probe.pid}/task"
        assert note["why"].startswith("1 of the ")
        assert "run under a real-time policy: quotas do not hold for them" in note["why"]
        subprocess.run(["chrt", "-o", "-p", "0", str(threads[0])], check=True)
        other = groups.make("other")
        only_where(other.version("cpu") == 1, "a v2 cgroup keeps the threads of a process together unless it is threaded")
        other.write("cpu", "tasks", str(threads[0]))
        (note,) = inspect(probe.pid)["notes"]
        assert f"{other.path}: the limits of those hold for them" in note["why"]


_HOARDER = """package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

func main() {
	file, _ := os.Open(os.Args[1])
	for i := 0; i < 20000; i++ {
		syscall.Mmap(int(file.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_EXEC*(i%2), syscall.MAP_PRIVATE)
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
}
"""


@pytest.fixture
def hoarder(tmp_path: Path) -> Iterator[int]:
    """The pid of a Go program whose /proc/PID/maps has 17 MB: 20 000 mappings of a file with a path of 750 bytes."""
    _program("1.24.11")  # or there is no toolchain
    source, folder = tmp_path / "source", tmp_path / ("n" * 240) / ("n" * 240) / ("n" * 240)
    for made in (source, folder):
        made.mkdir(parents=True)
    (folder / "f").write_bytes(b"\0" * 8192)
    (source / "main.go").write_text(_HOARDER)
    (source / "go.mod").write_text("module example.com/hoarder\n\ngo 1.24\n")
    program = toolchains.build("1.24.11", source, tmp_path / "hoarder")
    with subprocess.Popen([program, folder / "f"], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        try:
            assert started.stdout.readline() == "ready\n"
            yield started.pid
        finally:
            started.kill()


def test_a_program_with_mappings_by_the_ten_thousand_does_not_hide(hoarder: int) -> None:
    """What is too large to be held at once is read piece by piece, by name, in a search and by the service; a note tells where it ended."""
    assert Path(f"/proc/{hoarder}/maps").stat().st_size == 0  # the kernel does not say how large it is
    process = inspect(hoarder)
    assert process["go"]["version"] == "1.24.11"
    (note,) = process["notes"]
    assert note["why"].startswith("not looked at beyond its first 10 MiB")
    assert process["settings"]["GOMAXPROCS"]["observed_from"] == "memory"
    with Service("--interval", "1s").wait_for_report() as service:
        assert hoarder in [one["pid"] for one in json.loads(service.fetch("/report").body)["processes"]]
        grown = rss_bytes(service.pid)
        service.wait_for(lambda: service.metrics()["cgtune_scans_total"][0][1] >= 4)
        assert rss_bytes(service.pid) - grown < 16 * MIB


@pytest.fixture
def injected(groups: Groups) -> Iterator[Probe]:
    """A Go program with findings, whose files can be made to fail for whoever reads them through the library."""
    try:
        faults.build()
    except FileNotFoundError:
        require(False, "gcc is missing: apt-get install gcc")
    yield from _started(groups, _program("1.24.11"), quota=False)


def test_no_failed_call_makes_a_check_clean(injected: Probe) -> None:
    """One system call after the other fails for good: the finding is still there, or there is no verdict, with a reason."""
    clean, *said = faults.inject(injected.pid, "check")
    assert (clean["code"], clean["out"].split(":")[0]) == (1, "warning gomemlimit-unset")
    assert len(said) > 100
    assert [one for one in said if one["code"] not in (1, 3) or (one["code"] == 3 and not one["err"])] == []
    assert any(one["code"] == 3 for one in said)


def test_no_failed_call_changes_a_report_in_silence(injected: Probe) -> None:
    """A finding or a value that is missing is always beside a note that says what could not be read."""
    clean, *said = faults.inject(injected.pid, "inspect")

    def is_silent(one: faults.Said) -> bool:
        changed = (one["rules"], one["settings"]) != (clean["rules"], clean["settings"])
        return one["code"] == 0 and changed and set(one["notes"]) <= set(clean["notes"])

    assert clean["rules"] == ["gomemlimit-unset"]
    assert [one for one in said if is_silent(one) or one["code"] not in (0, 3)] == []


def test_no_failed_call_is_remembered_by_the_service(injected: Probe) -> None:
    """A process that failed is counted, or the look is no ground for a verdict; the next look has everything again."""
    clean, *said = faults.inject(injected.pid, "look")

    def is_lost(one: faults.Said) -> bool:
        return one["rules"] != clean["rules"] and not any(one["blind"])

    looks = [one for one in said if "refused" not in one]
    assert len(looks) > 100
    assert [one for one in looks if is_lost(one) or one["after"] != clean["after"]] == []
    assert [one for one in looks if not one["rules"] and not one["unreadable"] and not any(one["blind"])] == []
