"""What one process more costs a search and a look of the service, counted: opens, reads and the rest are the same on any machine."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.gather import gather
from cgtune.machineview import MachineView
from cgtune.system import backing
from cgtune.system.host import Host
from tests.support import goprograms
from tests.support.counts import counting

MORE = 5


@pytest.fixture(autouse=True)
def local_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted is on a machine without foreign file systems, as most are, whatever others mount meanwhile on this one."""
    monkeypatch.setattr(backing, "is_local_backing", lambda _name: True)
    monkeypatch.setattr(backing, "parse_filesystems", lambda _text: set())


@pytest.fixture
def sleepers() -> Iterator[list[int]]:
    """The pids of a dozen processes of one program that is no Go program."""
    yield from _running(["sleep", "600"])


@pytest.fixture(params=["1.24.11", "1.27.3"])
def programs(request: pytest.FixtureRequest) -> Iterator[list[int]]:
    """The same of a Go program."""
    yield from _running([str(goprograms.build(request.param, package="./minimal"))])


def _running(argv: list[str]) -> Iterator[list[int]]:
    # Of as many Ps everywhere: each is one read
    environ = {**os.environ, "GOMAXPROCS": "2"}
    processes = [subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ) for _ in range(MORE + 3)]
    try:
        while any(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S" for process in processes):
            time.sleep(0.1)
        time.sleep(1.0)  # the threads of a Go program come to rest
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _count(view: MachineView, pids: list[int]) -> Counter[str]:
    """What the last five of these cost, each, after the others."""
    counts = []
    for number in (len(pids) - MORE, len(pids)):
        again = MachineView(view.host, before=view) if view.is_again else MachineView(view.host)
        with counting() as counted:
            gather(again, pids[:number], _fail, go_only=True)
        counts.append(counted)
    assert counts[1]["opens"] > counts[0]["opens"]
    return Counter({key: round((counts[1][key] - counts[0][key]) / MORE, 1) for key in counts[1]})


def _fail(_pid: int, error: Exception) -> None:
    raise error


def _exceeded(counts: Counter[str], most: dict[str, int]) -> dict[str, tuple[int, int]]:
    return {key: (number, most.get(key, 0)) for key, number in counts.items() if number > most.get(key, 0) and key != "closes"}


def _bytes(pid: int, *names: str) -> int:
    """How much the kernel has to say in these files of a process: some is the machine's, as its mounts are."""
    return sum(len(Path(f"/proc/{pid}/{name}").read_bytes()) for name in names)


def test_a_process_of_a_known_program_that_is_not_go(sleepers: list[int]) -> None:
    """A search opens its folder and its mappings, and asks for the identity of each file of code; nothing is parsed. Twice it is asked
    whether these files may be asked at all (system/backing.py).
    """
    with Host() as host:
        counts = _count(MachineView(host), sleepers)
    assert _exceeded(counts, {"opens": 2, "reads": 3, "stats": 6, "records": 1, "bytes": _bytes(sleepers[0], "maps") + 300}) == {}


def test_a_look_at_one_that_rests(sleepers: list[int]) -> None:
    """The service reads one line of it, and parses nothing."""
    with Host() as host:
        view = MachineView(host)
        for _ in range(6):
            gather(view, sleepers, _fail, go_only=True)
            view = MachineView(host, before=view)
        counts = _count(view, sleepers)
    assert _exceeded(counts, {"opens": 1, "reads": 1, "bytes": 100}) == {}


@pytest.mark.fetched
def test_a_process_of_a_known_go_program(programs: list[int]) -> None:
    """Of a search: its cgroups are those of the process before, and so are its mounts, its program and what it derives. What is read of its
    memory are some pages.
    """
    with Host() as host:
        counts = _count(MachineView(host), programs)
    most_bytes = _bytes(programs[0], "maps", "mountinfo", "status", "environ", "cgroup", "stat") + (12 << 10)
    most = {"opens": 28, "reads": 42, "stats": 7, "links": 3, "lists": 1, "parses": 40, "records": 36, "bytes": most_bytes}
    assert _exceeded(counts, most) == {}


@pytest.mark.fetched
def test_a_look_at_a_go_program_that_rests(programs: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The service asks it for no mappings and no identity again, and not for what is in its memory."""
    seconds = itertools.count(0, 2)
    monkeypatch.setattr(Host, "clock_seconds", lambda _host: float(next(seconds)))  # each question is a rest that is long enough
    with Host() as host:
        view = MachineView(host)
        for _ in range(4):
            gather(view, programs, _fail, go_only=True)
            view = MachineView(host, before=view)
        counts = _count(view, programs)
    most_bytes = _bytes(programs[0], "mountinfo", "status", "environ", "cgroup", "stat") + (1 << 10)
    assert _exceeded(counts, {"opens": 24, "reads": 22, "stats": 3, "links": 3, "parses": 14, "records": 20, "bytes": most_bytes}) == {}
