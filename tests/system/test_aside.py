"""Reads in another process: answered as here, left behind when they are late, bounded in number, and nothing stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.errors import Unreadable
from cgtune.system import aside
from cgtune.system.aside import MOST_STUCK, Aside
from cgtune.system.root import Root
from cgtune.system.source import Files


@pytest.fixture
def asked() -> Iterator[Aside]:
    """One that reads below /."""
    found = Aside("/")
    yield found
    found.close()


def _helper(asked: Aside) -> int:
    assert asked._helper is not None
    return asked._helper.pid


def _stop(asked: Aside) -> int:
    """Start the helper, and let it answer no more, as one that waits for a file system."""
    asked.ask("first", "read_link", "/proc/self")
    os.kill(_helper(asked), signal.SIGSTOP)
    return _helper(asked)


def test_it_answers_as_files_do(asked: Aside, tmp_path: Path) -> None:
    """Content larger than a pipe, regions, links, names, identities."""
    (tmp_path / "large").write_bytes(bytes(range(256)) * 4096)
    (tmp_path / "link").symlink_to("large")
    here = Files(Root("/"), "/", is_live=True, is_guarded=False)
    for name, path, more in (
        ("read_whole", "large", (8 << 20,)),
        ("read_region", "large", (1000, 17)),
        ("read_link", "link", ()),
        ("list_names", "", ()),
        ("list_folders", "", ()),
        ("read_file_identity", "large", ()),
        ("read_identity", "", ()),
    ):
        place = f"{tmp_path}/{path}".rstrip("/")
        assert asked.ask("k", name, place, *more) == getattr(here, name)(place, *more)
    here.close()


def test_refusals_come_through(asked: Aside, tmp_path: Path) -> None:
    """With their number; and what is no plain path is told as such."""
    with pytest.raises(FileNotFoundError):
        asked.ask("k", "read_whole", f"{tmp_path}/none", 10)
    (tmp_path / "large").write_bytes(b"12345")
    with pytest.raises(OSError, match="larger") as told:
        asked.ask("k", "read_whole", f"{tmp_path}/large", 3)
    assert told.value.errno == errno.EFBIG
    with pytest.raises(Unreadable, match="not a plain path"):
        asked.ask("k", "read_whole", f"{tmp_path}/../x", 3)


def test_who_is_late_is_left_behind_and_not_asked_again(asked: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once for all else of that key; others get an answer from a new helper."""
    monkeypatch.setattr(aside, "PROCESS_SECONDS", 0.2)
    stopped = _stop(asked)
    with pytest.raises(TimeoutError):
        asked.ask("late", "read_link", "/proc/self")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asked.ask("late", "read_link", "/proc/self")
    assert time.monotonic() - began < 0.1
    asked.ask("other", "read_link", f"/proc/{os.getpid()}/exe")
    assert _helper(asked) != stopped


def test_it_is_asked_again_later_and_later(asked: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second, two, four; an answer in time begins anew."""
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for times, wait in ((1, 1.0), (2, 2.0), (3, 4.0), (40, 600.0)):
        asked._late["k"] = aside._Late(times, 0)
        now += wait - 0.1
        assert not asked._may_ask("k")
        now += 0.2
        assert asked._may_ask("k")
    asked.ask("k", "read_link", "/proc/self")
    asked.begin_look()
    assert asked._late == {}


def test_no_more_is_asked_while_the_read_still_hangs(asked: Aside) -> None:
    """As long as the kernel does not let the helper die, what it was about does not answer."""
    asked._late["k"] = aside._Late(1, os.getpid())
    asked._late["k"].again_seconds = 0.0
    assert asked._may_ask("k")
    asked._stuck.add(_child := os.posix_spawn("/bin/sleep", ["sleep", "60"], {}))
    asked._late["k"].helper = _child
    assert not asked._may_ask("k")
    os.kill(_child, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not asked._may_ask("k"):
        assert time.monotonic() < deadline


def test_so_many_may_hang_and_no_more(asked: Aside) -> None:
    """Beyond them nobody is asked but who has answered before."""
    children = [os.posix_spawn("/bin/sleep", ["sleep", "60"], {}) for _ in range(MOST_STUCK)]
    asked._stuck |= {*children}
    try:
        with pytest.raises(TimeoutError):
            asked.ask("new", "read_link", "/proc/self")
        asked._answered["known"] = None
        asked.ask("known", "read_link", "/proc/self")
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def test_after_two_seconds_in_vain_nobody_is_waited_for_as_long(asked: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a look ends, whatever many processes do; the next look begins anew."""
    monkeypatch.setattr(aside, "PROCESS_SECONDS", 5.0)
    asked._waited_seconds = 2.0
    _stop(asked)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asked.ask("late", "read_link", "/proc/self")
    assert time.monotonic() - began < 0.9
    asked.begin_look()
    assert asked._waited_seconds == 0.0


def test_one_that_waits_for_a_cpu_is_not_late(asked: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A throttled service must not take its own quota for a file system that does not answer."""
    monkeypatch.setattr(aside._Helper, "could_run", lambda _self: True)
    monkeypatch.setattr(aside, "PROCESS_SECONDS", 0.1)
    stopped = _stop(asked)
    threading.Timer(0.4, os.kill, (stopped, signal.SIGCONT)).start()
    asked._took.clear()
    assert asked.ask("k", "read_link", "/proc/self") == str(stopped)


def test_the_wait_for_a_cpu_does_not_count(asked: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others are busy a helper answers late, hundreds of times, and no file system is to blame."""
    monkeypatch.setattr(aside, "PROCESS_SECONDS", 0.2)
    asked.ask("first", "read_link", "/proc/self")
    cpu = {min(os.sched_getaffinity(0))}
    os.setpriority(os.PRIO_PROCESS, _helper(asked), 19)
    os.sched_setaffinity(_helper(asked), cpu)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    for process in busy:
        os.sched_setaffinity(process.pid, cpu)
    waited, began = 0.0, time.monotonic()
    try:
        while waited < 0.6 and time.monotonic() - began < 60:
            before = time.monotonic()
            asked.ask("k", "read_link", "/proc/self")
            waited += time.monotonic() - before
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert waited >= 0.6
    assert asked._took["k"] < waited / 3


def test_what_one_process_costs_is_one_sum(asked: Aside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mappings, its files, what lies below its root: who was late with one has used up what there is for the others."""
    monkeypatch.setattr(aside, "PROCESS_SECONDS", 0.2)
    own = f"/proc/{os.getpid()}"
    asked.ask("first", "read_link", f"{own}/exe")
    _stop(asked)
    with pytest.raises(TimeoutError):
        asked.ask("maps", "read_link", f"{own}/exe")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asked.ask("files", "read_link", f"{own}/exe")
    assert time.monotonic() - began < 0.1
    asked.ask("others", "read_link", "/proc/self")


def test_one_that_ends_is_replaced(asked: Aside) -> None:
    """The read that was under way fails, the next one is answered."""
    asked.ask("k", "read_link", "/proc/self")
    os.kill(_helper(asked), signal.SIGKILL)
    with pytest.raises(OSError, match="the process that reads it has ended"):
        asked.ask("k", "read_link", "/proc/self")
    asked.ask("k", "read_link", "/proc/self")


def test_nothing_of_ours_is_open_in_it_and_nothing_stays(tmp_path: Path) -> None:
    """It has its own group, the two pipes, and the folder that it reads below; in the end it is gone."""
    asked = Aside("/")
    with (tmp_path / "inherited").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        asked.ask("k", "read_link", "/proc/self")
        helper = _helper(asked)
        opened = [os.readlink(f"/proc/{helper}/fd/{name}") for name in os.listdir(f"/proc/{helper}/fd")]
    assert str(tmp_path / "inherited") not in opened
    assert os.getpgid(helper) == helper
    asked.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{helper}").exists():  # it is killed, and may still wait for a CPU to end on
        assert time.monotonic() < deadline
        asked.close()


def test_it_ends_with_who_asks() -> None:
    """Even if that is killed: its pipe is closed then."""
    asked = Aside("/")
    asked.ask("k", "read_link", "/proc/self")
    helper = _helper(asked)
    assert asked._helper is not None
    asked._helper.close()
    assert os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1]) == 0
