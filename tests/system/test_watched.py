"""Ends of processes that are noticed without a scan: by pidfds, and through another root's /proc."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cgtune.system.watched import Watched
from tests.support.serving import open_files

#: The same machine under another name: its pids may be of another namespace, and no pidfd can be asked for.
_OTHER_ROOT = "/proc/self/root"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Something that sleeps."""
    with subprocess.Popen(["sleep", "600"]) as started:
        yield started
        started.kill()


@pytest.fixture(params=["/", _OTHER_ROOT])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """Nobody is watched yet."""
    made = Watched(request.param)
    yield made
    made.close()


def _wait(watched: Watched, seconds: float = 60.0) -> frozenset[int]:
    return watched.wait(seconds, lambda: False, time.sleep)


def test_an_end_is_noticed(watched: Watched, process: subprocess.Popen[bytes]) -> None:
    """As a zombie, whose parent has not yet asked, and when that is gone too; who lives is not among them."""
    watched.add(process.pid)
    watched.add(os.getpid())
    assert _wait(watched, 0.3) == frozenset()
    process.send_signal(signal.SIGKILL)
    assert _wait(watched) == {process.pid}
    process.wait()
    assert watched.ended() == {process.pid}
    watched.drop(process.pid)
    assert process.pid not in watched
    assert watched.ended() == frozenset()


def test_who_is_gone_already_is_not_watched(watched: Watched, process: subprocess.Popen[bytes]) -> None:
    """There is nothing to open."""
    process.kill()
    process.wait()
    watched.add(process.pid)
    assert process.pid not in watched


def test_nothing_stays_open(watched: Watched, process: subprocess.Popen[bytes]) -> None:
    """One file for each, and none for those who are watched no more."""
    before = open_files(os.getpid())
    for pid in (process.pid, process.pid, os.getpid()):
        watched.add(pid)
    assert open_files(os.getpid()) == before + 2
    watched.keep(frozenset((os.getpid(),)))
    assert open_files(os.getpid()) == before + 1
    watched.close()
    assert open_files(os.getpid()) == before


def test_files_are_left_to_others(monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]) -> None:
    """With few files allowed nobody is watched: a scan tells."""
    monkeypatch.setattr("resource.getrlimit", lambda _what: (512, 4096))
    watched = Watched("/")
    watched.add(process.pid)
    assert process.pid not in watched


def test_a_stop_ends_the_wait(watched: Watched, process: subprocess.Popen[bytes]) -> None:
    """Within a quarter of a second, however long it was to be."""
    watched.add(process.pid)
    turns = iter((False, False))
    assert watched.wait(600.0, lambda: next(turns, True), lambda seconds: time.sleep(min(seconds, 0.3))) == frozenset()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, 9), (signal.SIGTERM, 15)])
def test_how_a_process_ended(process: subprocess.Popen[bytes], number: signal.Signals, status: int) -> None:
    """As wait(2) tells its parent, as soon as that has asked; nothing before, and nothing by a kernel that does not tell."""
    watched = Watched("/")
    watched.add(process.pid)
    assert watched.status(process.pid) is None
    process.send_signal(number)
    assert _wait(watched) == {process.pid}
    assert watched.status(process.pid) is None
    process.wait()
    release = tuple(map(int, Path("/proc/sys/kernel/osrelease").read_text().split(".")[:2]))
    assert watched.status(process.pid) == (status if release >= (6, 15) else None)
    watched.close()


def test_a_kernel_that_does_not_tell_how_a_process_ended(monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]) -> None:
    """Before Linux 6.13 pidfds know no such question (ENOTTY): the end is noticed, and how it came is not known."""

    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")

    monkeypatch.setattr("fcntl.ioctl", refuse)
    watched = Watched("/")
    watched.add(process.pid)
    process.kill()
    process.wait()
    assert (watched.ended(), watched.status(process.pid)) == (frozenset((process.pid,)), None)
    watched.close()


def test_of_who_is_not_watched_nothing_is_known(watched: Watched, process: subprocess.Popen[bytes]) -> None:
    """Nor of anybody in another root's /proc; to watch somebody no more who never was is no fault."""
    assert watched.status(process.pid) is None
    watched.drop(process.pid)
    other = Watched(_OTHER_ROOT)
    other.add(process.pid)
    process.kill()
    process.wait()
    assert (other.ended(), other.status(process.pid)) == (frozenset((process.pid,)), None)
    other.close()


def test_a_process_that_is_closed_to_us_is_asked_by_another_file(monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]) -> None:
    """Whose program may not be seen, as another user's: as long as its folder has files, it lives."""

    def refuse(*_arguments: object, **_options: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("cgtune.system.watched.os.readlink", refuse)
    watched = Watched(_OTHER_ROOT)
    watched.add(process.pid)
    assert watched.ended() == frozenset()
    process.kill()
    process.wait()
    assert watched.ended() == {process.pid}
    watched.close()


def test_turns_become_rare_where_they_are_dear(monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes]) -> None:
    """Whoever asks hundreds asks less often: a 400th of the time is what it may cost."""
    watched = Watched(_OTHER_ROOT)
    watched.add(process.pid)
    clock = iter((0.0, *(0.0, 0.0125, 0.0125), *(20.0, 20.0, 20.0)))
    monkeypatch.setattr("cgtune.system.watched.time.monotonic", lambda: next(clock))
    waits: list[float] = []
    assert watched.wait(15.0, lambda: False, waits.append) == frozenset()
    assert waits == [pytest.approx(5.0)]
    watched.close()


@pytest.mark.parametrize(("number", "is_over"), [(errno.ESRCH, True), (errno.ENOENT, True), (errno.EIO, False), (errno.EMFILE, False)])
def test_a_failure_is_no_end(monkeypatch: pytest.MonkeyPatch, process: subprocess.Popen[bytes], number: int, is_over: bool) -> None:
    """That a process has ended is said by the kernel, and not taken from an error that says nothing of it."""
    watched = Watched(_OTHER_ROOT)
    watched.add(process.pid)

    def refuse(error: int) -> Callable[..., None]:
        def fail(*_: object, **__: object) -> None:
            raise OSError(error, os.strerror(error))

        return fail

    with monkeypatch.context() as patched:
        patched.setattr(os, "readlink", refuse(errno.EACCES))
        patched.setattr(os, "stat", refuse(number))
        ended = watched.ended()
    watched.close()
    assert ended == ({process.pid} if is_over else set())
