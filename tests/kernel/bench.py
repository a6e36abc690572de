"""What the kernel tests are made of: processes placed where a scenario wants them, cgtune run where it wants it, the kernel's own word.

An interpreter start costs a second or two on an emulated CPU, so neither the processes looked at nor cgtune itself are programs started
anew: both are forks of the test's own process, cgtune through the same two calls that the command line makes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from cgtune.errors import CgtuneError
from tests.live.cgroups import Group

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWPID = 0x00020000, 0x02000000, 0x20000000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 4096, 16384, 1 << 18, 2
CGROUP = Path("/sys/fs/cgroup")
MIB = 1 << 20
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def unshare(flags: int) -> None:
    """Leave namespaces; Python 3.11 does not offer the system call."""
    _check(_libc.unshare(flags), "unshare")
    if flags & CLONE_NEWNS:
        _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")


def setns(namespace: str) -> None:
    """Enter the namespace behind a file of /proc/PID/ns."""
    opened = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(opened, 0), f"setns {namespace}")
    finally:
        os.close(opened)


def mount(source: str | Path, target: str | Path, kind: str | None = None, *, flags: int = 0, data: str | None = None) -> None:
    """Mount something; what is None is not given."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    _check(_libc.mount(words[0], words[1], words[2], flags, words[3]), f"mount {source} {target}")


def bind(source: str | Path, target: str | Path) -> None:
    """A bind mount of one directory, without what is mounted below it."""
    mount(source, target, flags=MS_BIND)


def unmount(target: str | Path) -> None:
    """Take a mount away; what still holds it open does not hinder that."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


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
        """As start, with the groups' directories."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            _become_target(write, [lambda: enter(*places), *steps])
        os.close(write)
        self._pids.append(pid)
        said = os.read(read, 8192)  # once: children of the target may hold the other end open for long
        os.close(read)
        assert said == b"ready", said.decode()
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


def _fork_spinner() -> None:
    """Spin in a child, so that the target itself can say that it is ready."""
    if os.fork() == 0:
        die_with_parent()
        while True:
            pass


# -- cgtune -----------------------------------------------------------------------------------------------------------------------------


def report(*pids: int, root: str = "/") -> dict[str, Any]:
    """``cgtune inspect --pid ... --format json``, in this process: the same two calls the command line makes."""
    from cgtune.api import inspect as inspect_processes
    from cgtune.outputs.json import render_json

    parsed: dict[str, Any] = json.loads(render_json(inspect_processes(pids=list(pids), root=root)))
    assert parsed["schema"] == "cgtune/report/v1"
    return parsed


def inspect(pid: int, root: str = "/") -> dict[str, Any]:
    """The report's one entry for this process."""
    (entry,) = report(pid, root=root)["processes"]
    assert entry["pid"] == pid
    result: dict[str, Any] = entry
    return result


def attempt(pid: int) -> dict[str, Any] | CgtuneError:
    """The report's entry, or the one clear line that says why there is none. Anything else that is raised fails the test."""
    try:
        return inspect(pid)
    except CgtuneError as error:
        said = error
    assert len(str(said).splitlines()) == 1
    return said


def elsewhere(*steps: Callable[[], object], look: Callable[[], Any]) -> Any:
    """What ``look`` returns in a fork of this process that took the steps first: entered a group, a namespace, mounted something."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with os.fdopen(write, "w") as told:
            try:
                for step in steps:
                    step()
                told.write(json.dumps({"seen": look()}))
            except BaseException:  # noqa: BLE001  # a fork must not return into the test's frames, whatever happened
                told.write(json.dumps({"failed": traceback.format_exc()}))
            told.flush()
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    told = json.loads(text or '{"failed": "the fork died without a word"}')
    assert "failed" not in told, told["failed"]
    return told["seen"]


# -- the kernel's own word --------------------------------------------------------------------------------------------------------------


def told_cpu(place: Path) -> tuple[int | None, int | None]:
    """Quota and period of one cgroup directory, read with plain file calls; no quota: None; no such files: None, None."""
    if (place / "cpu.max").exists():
        quota, period = (place / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota), int(period)
    if (place / "cpu.cfs_quota_us").exists():
        number = int((place / "cpu.cfs_quota_us").read_text())
        return None if number < 0 else number, int((place / "cpu.cfs_period_us").read_text())
    return None, None


def told_memory(place: Path) -> int | None:
    """The memory limit of one cgroup directory in bytes; None: no limit, or no such file."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        if (place / name).exists():
            word = (place / name).read_text().strip()
            # v1's "no limit": LONG_MAX rounded down to whole pages
            return None if word == "max" or int(word) >= sys.maxsize // 4096 * 4096 else int(word)
    return None


def levels(place: Path, top: Path) -> list[Path]:
    """The directories from a cgroup up to the top of its mount, the leaf first."""
    names = place.relative_to(top).parts
    return [top.joinpath(*names[:count]) for count in range(len(names), -1, -1)]


def top_of(place: Path) -> Path:
    """The mount a cgroup directory lies in."""
    return next(folder for folder in (place, *place.parents) if folder.is_mount())


def assert_cpu_as_told(entry: dict[str, Any], place: Path) -> None:
    """Each level of the reported CPU chain says what the kernel's file says, and the limit is the least of them."""
    rows = entry["enforced"]["cpu"]["chain"]
    top = top_of(place)
    places = levels(place, top)
    expected = []
    for folder in places:
        quota_us, period_us = told_cpu(folder)
        path = "/" + str(folder.relative_to(top)).removeprefix(".")
        expected.append(
            (path, quota_us, None if quota_us is None else period_us, None if quota_us is None else quota_us / (period_us or 1))
        )
    reported = [
        (row["path"], row["quota_us"], row["period_us"] if row["quota_us"] is not None else None, row["limit_cores"]) for row in rows
    ]
    assert reported == expected
    limits = [limit for *_, limit in expected if limit is not None]
    assert entry["enforced"]["cpu"]["limit_cores"] == (min(limits) if limits else None)


def assert_memory_as_told(entry: dict[str, Any], place: Path) -> None:
    """Each level of the reported memory chain says what the kernel's file says, and the limit is the least of them."""
    rows = entry["enforced"]["memory"]["chain"]
    top = top_of(place)
    expected = [("/" + str(folder.relative_to(top)).removeprefix("."), told_memory(folder)) for folder in levels(place, top)]
    assert [(row["path"], row["limit_bytes"]) for row in rows] == expected
    limits = [limit for _, limit in expected if limit is not None]
    assert entry["enforced"]["memory"]["limit_bytes"] == (min(limits) if limits else None)


def place_of(group: Group, controller: str) -> Path:
    """The directory of a group in the hierarchy that holds the controller."""
    return group._directories[controller][1]  # the harness's own record


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Return once the condition holds; fail when it does not within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    """A kernel file with another content for a while."""
    before = path.read_text().strip()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def die_with_parent() -> None:
    """PR_SET_PDEATHSIG: this process ends when the thread that forked it does."""
    _libc.prctl(1, signal.SIGKILL)


def reap_in_background(pid: int) -> None:
    """Wait for a child without keeping the test waiting."""
    import threading

    threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()


def start_thread() -> None:
    """A second thread, asleep."""
    import threading

    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def fill_cpuset(place: Path) -> None:
    """A new v1 cpuset takes no process until it is filled."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (place / name).exists() and not (place / "cgroup.controllers").exists():
            (place / name).write_text((place.parent / name).read_text())


def bind_all(source: str | Path, target: str | Path) -> None:
    """A bind mount of one directory with all that is mounted below it."""
    mount(source, target, flags=MS_BIND | MS_REC)


def unmount_cgroups() -> None:
    """Take away every cgroup mount of this mount namespace, the last made first."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for words in reversed(lines):
        if words[2] in ("cgroup", "cgroup2"):
            unmount(words[1])
