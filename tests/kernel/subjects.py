"""Processes to look at, placed where a scenario wants them.

An interpreter start costs a second on an emulated CPU: they are forks of the test's own process.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from tests.live.cgroups import Group

MIB = 1 << 20
SLEEPER = "/run/vm/busybox"  # of the bench's own start; without a library
_libc = ctypes.CDLL(None, use_errno=True)
_kept: list[object] = []


def enter(*places: Path) -> None:
    """Move this process into groups, one directory a hierarchy."""
    for place in places:
        (place / "cgroup.procs").write_text(str(os.getpid()))


class Targets:
    """Forked processes that do what they are told and then sleep, until the test ends."""

    def __init__(self) -> None:
        self._pids: list[int] = []

    def start(self, group: Group | None, *steps: Callable[[], object]) -> int:
        """The pid of a process that entered the group, took the steps, and is asleep now."""
        return self.start_in(group.directories() if group else [], *steps)

    def start_in(self, places: Iterable[Path], *steps: Callable[[], object]) -> int:
        """As start, with the groups' directories. Without steps it is another program: one file to look into, not a Python's 38."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become_target(write, [lambda: enter(*places), *steps, *([] if steps else [_become_sleeper])])
        os.close(write)
        self._pids.append(pid)
        said = os.read(read, 8192)  # once: children of the target may hold the other end open for long
        os.close(read)
        assert said == (b"ready" if steps else b""), said.decode()
        return pid

    def busy(self, group: Group) -> int:
        """The pid of a process that entered the group and uses all the CPU it gets."""
        return self.start_in(group.directories(), _fork_spinner)

    def stop(self, pid: int) -> None:
        """End one process now."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        self.forget(pid)

    def forget(self, pid: int) -> None:
        """It has ended, and its end was taken note of."""
        self._pids.remove(pid)

    def end(self) -> None:
        for pid in reversed(self._pids[:]):
            self.stop(pid)


def _become_target(write: int, steps: list[Callable[[], object]]) -> NoReturn:
    try:
        os.setpgid(0, 0)
        for step in steps:
            step()
        os.write(write, b"ready")
        os.close(write)
        while True:
            signal.pause()
    except BaseException:  # noqa: BLE001  # a fork must not return into the test's frames, whatever happened
        os.write(write, traceback.format_exc().encode()[-8000:])
    finally:
        os._exit(1)


def _become_sleeper() -> None:
    """Sleep as a program of its own; that it is one closes the pipe on which a failure would be told."""
    os.execv(SLEEPER, ["sleep", "100000"])


def _fork_spinner() -> None:
    """Spin in a child, so that the target itself can say that it is ready."""
    if os.fork() == 0:
        die_with_parent()
        while True:
            pass


def die_with_parent() -> None:
    """PR_SET_PDEATHSIG: this process ends when the thread that forked it does."""
    _libc.prctl(1, signal.SIGKILL)


def start_thread() -> None:
    """A second thread, asleep."""
    import threading

    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


@contextlib.contextmanager
def swap_area() -> Iterator[None]:
    """The bench's RAM disk as the machine's swap, and gone again afterwards: other tests count on there being none."""
    for command in ("mkswap", "swapon"):
        subprocess.run(["/run/vm/busybox", command, "/dev/ram0"], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["/run/vm/busybox", "swapoff", "/dev/ram0"], check=True, capture_output=True)


def swapped_bytes(group: Group) -> int:
    """What the kernel says that it has swapped out of a group."""
    if group.version("memory") == 2:
        return int(group.read("memory", "memory.swap.current"))
    return int(dict(line.split() for line in group.read("memory", "memory.stat").splitlines())["total_swap"])


def fill_cpuset(place: Path) -> None:
    """A new v1 cpuset takes no process until it is filled."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (place / name).exists() and not (place / "cgroup.controllers").exists():
            (place / name).write_text((place.parent / name).read_text())


def charge(size_bytes: int) -> None:
    """Touch that much memory, and keep it."""
    import mmap

    pages = mmap.mmap(-1, size_bytes)
    for offset in range(0, size_bytes, 4096):
        pages[offset] = 1
    _kept.append(pages)


def keep(anything: object) -> None:
    """Hold something until the process ends."""
    _kept.append(anything)


def die_of_hunger(group: Group) -> int:
    """The signal that ended a process of the group which wanted 64 MiB."""
    pid = os.fork()
    if pid == 0:
        try:  # whatever happens, a fork must not return into the test's frames
            enter(*group.directories())
            charge(64 * MIB)
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(pid, 0)[1])
