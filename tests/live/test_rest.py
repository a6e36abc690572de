"""A service that asks little of what rests says what a fresh look says: after changes from inside, from outside, and of who it is."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cgtune.service import follow
from cgtune.service.follow import Follower
from cgtune.system.host import Host
from tests.live.cgroups import Groups
from tests.support import goprograms

pytestmark = [pytest.mark.live, pytest.mark.fetched]

# Two threads; the second one loads each library whose path comes, and "exec PATH" starts that in place of all
_THREADS = """
import ctypes, os, sys, threading
def serve():
    for line in sys.stdin:
        word, _, path = line.strip().partition(" ")
        os.execv(path, [path]) if word == "exec" else ctypes.CDLL(path)
        print("", flush=True)
threading.Thread(target=serve).start()
print("", flush=True)
"""


_GO = ("program", "derived", "settings")


class Reading(Host):
    """A host that knows whose memory it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.memories: set[int] = set()

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        if path.endswith("/mem"):
            self.memories.add(int(path.split("/")[2]))
        return super().read_at(path, offset, size)


def _said(look: follow.Look) -> dict[tuple[int, str], object]:
    """What a look says of each process, without ages and what its cgroups count: others run in them."""
    said: dict[tuple[int, str], object] = {}
    for each in look.report.processes:
        one = each.snapshot
        of = one.process.pid
        live = [facts.observed.live for facts in one.go]
        assert one.used is not None
        said |= {(of, name): value for name, value in one.process.replace(age_seconds=None).items()}
        said |= {(of, name): value for name, value in one.used.replace(read_seconds=None).items()}
        said |= {(of, f"go {name}"): [value for facts in one.go for key, value in facts.items() if key == name] for name in _GO}
        said |= {(of, "observed"): [facts.observed.replace(live=None) for facts in one.go]}
        said |= {(of, "live"): [None if each is None else each.replace(since_collection_seconds=None) for each in live]}
        said |= {(of, "quotas"): [(level.path, level.bandwidth, level.weight, level.shares) for level in one.cpu_chain]}
        said |= {(of, "limits"): [(level.path, level.limit, level.identity) for level in one.memory_chain]}
        said |= {(of, "rest"): (one.container, one.kind, one.notes, one.threads, one.unsupported)}
    return said


def _turns(pids: set[int]) -> list[str]:
    return [path.read_text() for pid in sorted(pids) for path in sorted(Path(f"/proc/{pid}/task").glob("*/schedstat"))]


def _wait_for_rest(pids: set[int]) -> None:
    deadline = time.monotonic() + 60
    before: list[str] = []
    while before != (before := _turns(pids)):
        assert time.monotonic() < deadline, "they do not come to rest"
        time.sleep(0.15)


def test_a_look_at_what_rests_says_what_a_fresh_one_does(groups: Groups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Go program of each kind, a program of two threads and a sleeper, changed in every way; what rests is not looked into again."""
    seconds = itertools.count(1000, 2)  # nobody has to wait for a rest that is long enough
    monkeypatch.setattr(Host, "clock_seconds", lambda _host: float(next(seconds)))
    program = Path(shutil.copy(goprograms.build("1.27.3"), tmp_path / "program"))
    library = goprograms.build("1.27.3", "shared", language="1.25")
    group = groups.make()
    pipe, two_threads = subprocess.PIPE, [sys.executable, "-I", "-c", _THREADS]
    with (
        goprograms.Probe(program) as new,
        goprograms.Probe(goprograms.build("1.24.11")) as old,
        subprocess.Popen(two_threads, stdin=pipe, stdout=pipe, text=True) as other,
        subprocess.Popen(["sleep", "600"]) as sleeper,
        Reading() as host,
    ):
        pids = {new.pid, old.pid, other.pid, sleeper.pid}
        monkeypatch.setattr(follow, "list_pids_by_psutil", lambda _host: sorted(pids))
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()

        def tell_other(line: str) -> None:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write(f"{line}\n")
            other.stdin.flush()
            if not line.startswith("exec"):
                other.stdout.readline()

        def move() -> None:
            for place in group.directories():
                (place / "cgroup.procs").write_text(str(new.pid))

        changes: dict[str, Callable[[], object]] = {
            "nothing": lambda: None,
            "its words": lambda: [probe.ask(word) for probe in (new, old) for word in ("memlimit 123456789", "gogc 50", "gomaxprocs 3")],
            "its threads": lambda: [probe.ask("wait 40") for probe in (new, old)],
            "its affinity, from outside": lambda: os.sched_setaffinity(new.pid, {min(os.sched_getaffinity(0))}),
            "the name of its file, from outside": lambda: program.rename(tmp_path / "renamed"),
            "its cgroup, from outside": move,
            "the quota of that": lambda: group.limit_cpu(50_000),
            "a library in the second thread": lambda: tell_other(f"load {library}"),
            "another program": lambda: tell_other(f"exec {goprograms.build('1.24.11')}"),
        }
        follower = Follower(host, (), None)
        for name, change in changes.items():
            change()
            _wait_for_rest(pids)
            for look in range(4):
                host.memories.clear()
                with Host() as another:
                    fresh = _said(Follower(another, (), None).look(0.0))
                told = _said(follower.look(float(look)))
                assert {key: (told.get(key), fresh.get(key)) for key in told.keys() ^ fresh.keys()} == {}, (name, look)
                assert {key: (value, fresh[key]) for key, value in told.items() if value != fresh[key]} == {}, (name, look)
                assert len({pid for pid, _ in told}) == (3 if "program" in name or "library" in name else 2), name
            assert host.memories == set(), name
        other.kill()
        sleeper.kill()
