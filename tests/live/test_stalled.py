"""A file system that stops to answer costs the processes on it a note, and nobody else anything: neither a look, nor an end in time."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cgtune.model import Report
from cgtune.service.follow import Follower
from cgtune.system.backing import Backing
from cgtune.system.host import Host
from cgtune.system.root import Root
from tests.support import goprograms
from tests.support.command import PROGRAM, environment
from tests.support.goprograms import Probe
from tests.support.needs import only_where
from tests.support.serving import PATIENCE_SECONDS, Samples, Service, Stopwatch
from tests.support.stalling import Stalling, stalling

pytestmark = [pytest.mark.live, pytest.mark.slow]

#: Commands wait 0.25 s for what does not answer; the rest is for a busy machine.
_MOST_SECONDS = 6.0

_STAGES = ("machine", "processes", "report", "rules", "ends")

_MAPS = """
import mmap, sys
file = open(sys.argv[1], "rb")
kept = mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE)
file.close()
print("mapped", flush=True)
sys.stdin.read()
"""


@contextmanager
def _mapping(path: Path) -> Iterator[int]:
    """The pid of a program that maps a file as code."""
    with subprocess.Popen([sys.executable, "-c", _MAPS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"mapped\n"
        try:
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def program() -> Path:
    """A Go program."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    return goprograms.build("1.25.5")


@pytest.fixture
def scene(program: Path, tmp_path: Path) -> Iterator[tuple[Stalling, int, int]]:
    """The file system, a Go program on it that has just started, and the same on a disk."""
    with stalling(program, tmp_path / "mount") as system, Probe(system.program) as stalled, Probe(program) as honest:
        yield system, stalled.pid, honest.pid


def _ends(processes: dict[str, subprocess.Popen[str]]) -> dict[str, tuple[int, str, str]]:
    """Exit code, output and errors of each, which must end in time."""
    found = {}
    deadline = time.monotonic() + _MOST_SECONDS
    for name, process in processes.items():
        output, errors = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
        found[name] = process.returncode, output, errors
    return found


@contextmanager
def _started(commands: dict[str, tuple[object, ...]]) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """These commands, side by side."""
    with ExitStack() as stack:
        found = {}
        for name, words in commands.items():
            process = subprocess.Popen(
                [*PROGRAM, *map(str, words)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            stack.callback(process.kill)
            found[name] = process
        yield found


def _helpers() -> list[int]:
    """The helpers of any cgtune that are alive."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"answer_requests" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("operation", ["open", "getattr", "read"])
def test_each_command_ends_in_time_and_says_what_does_not_answer(scene: tuple[Stalling, int, int], operation: str, tmp_path: Path) -> None:
    """The limits are told and what was not seen; `check` gives no verdict; nothing of the command is left once it is answered."""
    system, stalled, honest = scene
    before = {*_helpers()}
    with _mapping(system.program) as mapping:
        system.stall(operation)
        commands: dict[str, tuple[object, ...]] = {
            "inspect": ("inspect", "--pid", stalled, "--pid", honest, "--pid", mapping),
            "check": ("check", "--pid", stalled),
        }
        if operation == "read":
            commands |= {"env": ("env", "--pid", stalled), "snapshot": ("snapshot", "--pid", stalled, tmp_path / "recorded")}
        with _started(commands) as processes:
            try:
                found = _ends(processes)
            finally:
                system.answer()
    assert {name: code for name, (code, _, _) in found.items()} == {name: 3 if name == "check" else 0 for name in commands}
    words = " ".join(found["inspect"][1].split())
    assert f"/proc/{stalled}/exe: the file system behind it does not answer in time" in words
    assert words.count(" Go 1.25.5") == 1, words
    assert "does not answer in time" in found["check"][1] + found["check"][2]
    deadline = time.monotonic() + _MOST_SECONDS
    while {*_helpers()} - before:
        assert time.monotonic() < deadline, "helpers are left"
        time.sleep(0.02)


def _look(*pids: int) -> tuple[float, Report]:
    """Returns (how long the first look at these processes takes, what it finds)."""
    with Host() as host, Stopwatch() as watch:
        look = Follower(host, pids, None).look(0.0)
    return watch.seconds, look.report


def test_it_costs_a_look_a_quarter_of_a_second(scene: tuple[Stalling, int, int]) -> None:
    """Whatever hangs. What else is busy here takes its own share: the least of three looks more than without is looked at."""
    system, stalled, honest = scene
    _look(honest, stalled)  # loads what any look needs
    more = list[float]()
    for operations in (("open",), ("getattr", "read"), ("lookup", "getattr", "open", "read")):
        before, _ = _look(honest, stalled)
        system.stall(*operations)
        try:
            seconds, report = _look(honest, stalled)
        finally:
            system.answer()
        more.append(seconds - before)
        notes = {process.snapshot.process.pid: process.notes for process in report.processes}
        assert any("does not answer in time" in note.why for note in notes[stalled])
        assert notes[honest] == ()
    assert min(more) < 0.5, more


def test_a_machine_is_not_taken_for_local_while_it_is_mounted(tmp_path: Path) -> None:
    """As the kernel lists it, from the moment on at which it is there."""
    root = Root("/")
    backing = Backing(root)
    backing.is_local()
    with stalling(Path(sys.executable), tmp_path / "mount"):
        assert not backing.is_local()
        backing.forget()
        assert not backing.is_local()
    backing.forget()
    root.close()


def test_a_command_that_waits_ends_at_once_when_it_is_told_to(scene: tuple[Stalling, int, int]) -> None:
    """What it waits for does not hold it."""
    system, stalled, _ = scene
    system.stall("getattr")
    before = {*_helpers()}
    with _started({"inspect": ("inspect", "--pid", stalled)}) as processes:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not {*_helpers()} - before:
                assert time.monotonic() < deadline, "it never came to the file system"
                time.sleep(0.01)
            processes["inspect"].terminate()
            assert processes["inspect"].wait(2) == -signal.SIGTERM
            processes["inspect"].communicate()
        finally:
            system.answer()


def _value(page: Samples, name: str, pid: int) -> float | None:
    return next((number for labels, number in page.get(name, []) if labels["pid"] == str(pid)), None)


def test_the_service_looks_on_and_sees_it_again_when_it_answers(scene: tuple[Stalling, int, int]) -> None:
    """A scan in each interval, the honest program right, one trouble in the log; SIGTERM ends it in 2 s whatever hangs."""
    system, stalled, honest = scene
    system.stall("getattr", "read")
    with Service("--interval", "200ms", "--pid", honest, "--pid", stalled) as service:
        try:
            _serves(service, system, stalled, honest)
            assert service.stop() < 2
        finally:
            system.answer()  # else nothing ends what hangs


def _serves(service: Service, system: Stalling, stalled: int, honest: int) -> None:
    def scans() -> float:
        return service.metrics()["cgtune_scans_total"][0][1]

    def goes_on(count: int) -> None:
        seen = scans()
        service.wait_for(lambda: scans() >= seen + count, seconds=_MOST_SECONDS)
        page = service.metrics()
        assert _value(page, "cgtune_gomaxprocs_observed", honest) is not None
        assert (service.fetch("/healthz").status, service.fetch("/readyz").status) == (200, 200)

    # It was never seen: whether it is a Go program is not known
    service.wait_for(lambda: scans() >= 1, seconds=_MOST_SECONDS)
    goes_on(4)
    page = service.metrics()
    assert _value(page, "cgtune_gomaxprocs_observed", stalled) is None
    assert page["cgtune_scan_running_seconds"][0][1] < _MOST_SECONDS
    assert {labels["stage"]: number for labels, number in page["cgtune_scan_stage_success"]} == dict.fromkeys(_STAGES, 1.0)
    assert "does not answer in time" in service.fetch("/check").body
    (trouble,) = service.events("trouble")
    assert "does not answer in time" in trouble["message"]
    system.answer()
    service.wait_for(lambda: _value(service.metrics(), "cgtune_gomaxprocs_observed", stalled) is not None, seconds=PATIENCE_SECONDS)
    # It is known, and its memory is pages of a file that cannot be read any more
    system.stall("getattr", "read")
    goes_on(4)
