"""Known amounts of memory of one kind, for tests on real kernels: the program that takes them, and what a report has to say of each.

As a program, ``memory_kinds.py KIND FILE MIB READY``: it says in the file READY that it is there, waits for SIGUSR1, takes the memory (of
pages of FILE, if the kind wants a file), says so, and sleeps. It imports nothing of cgtune: it is the other witness. The difference between
two reports, before and after, is the memory that was taken.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 1 << 20
_AGREE_BYTES = 2 * MIB  # of one kind: the kernel counts in batches of pages per CPU

#: Kind, and the parts of a report that grow by the whole amount; all others that are compared stay.
GROWS: dict[str, frozenset[str]] = {
    "anonymous": frozenset({"anonymous", "used"}),
    "shared": frozenset({"shared", "mapped", "used"}),
    "tmpfs": frozenset({"shared", "used"}),
    "cache": frozenset({"files", "reclaimable"}),
    "mapped": frozenset({"files", "mapped", "reclaimable"}),
    "locked": frozenset({"mapped", "unevictable", "used"}),
    "locked-anonymous": frozenset({"anonymous", "unevictable", "used"}),
    "dirty": frozenset({"files", "waiting", "used"}),
}

_BLOCK = 1 << 16


def read_amounts(usage: dict[str, Any], level: dict[str, Any]) -> dict[str, int]:
    """What a report says of one cgroup, by the names of GROWS, in bytes: ``usage`` is that of its process, ``level`` the cgroup's."""
    parts = level["parts"]
    assert (usage["used_bytes"], usage["reclaimable_bytes"]) == (level["used_bytes"], level["reclaimable_bytes"])
    assert level["used_bytes"] + level["reclaimable_bytes"] == level["current_bytes"]
    return {
        "anonymous": parts["anonymous_bytes"],
        "shared": parts["shared_bytes"],
        "files": parts["active_file_bytes"] + parts["inactive_file_bytes"],
        "mapped": parts["mapped_bytes"],
        "unevictable": parts["unevictable_bytes"],
        "waiting": parts["dirty_bytes"] + parts["writeback_bytes"],
        "used": level["used_bytes"],
        "reclaimable": level["reclaimable_bytes"],
    }


def differences(kind: str, size_bytes: int, before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """By name, how far a report is from the truth; empty if all agree."""
    wrong = {name: after[name] - before[name] - (size_bytes if name in GROWS[kind] else 0) for name in before}
    return {name: off for name, off in wrong.items() if abs(off) > _AGREE_BYTES}


def settle(look: Callable[[], dict[str, int]], wrong: Callable[[dict[str, int]], dict[str, int]]) -> dict[str, int]:
    """What stays wrong however often one looks: a kernel adds up its counters of each CPU every two seconds only."""
    deadline = time.monotonic() + 60
    while (found := wrong(look())) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def watch_taking(
    start: Callable[[list[str]], int], look: Callable[[int], dict[str, Any]], kind: str, file: str, ready: Path
) -> dict[str, int]:
    """``differences`` of a program that takes 24 MiB; ``start`` starts it in a cgroup, ``look`` is the report of a pid."""

    def amounts() -> dict[str, int]:
        process = look(pid)
        return read_amounts(process["usage"]["memory"], process["enforced"]["memory"]["chain"][0])

    pid = start([sys.executable, "-I", __file__, kind, file, "24", str(ready)])
    _wait_for(ready, "there")
    before = amounts()
    os.kill(pid, signal.SIGUSR1)
    _wait_for(ready, "taken")
    return settle(amounts, lambda after: differences(kind, 24 * MIB, before, after))


def _wait_for(ready: Path, word: str) -> None:
    deadline = time.monotonic() + 60
    while not ready.exists() or ready.read_text() != word:
        assert time.monotonic() < deadline, f"the program is not {word}"
        time.sleep(0.02)


def take(kind: str, file: str, size_bytes: int) -> list[object]:
    """Take so much memory of a kind; it lasts as long as what is returned."""
    if kind in ("anonymous", "locked-anonymous"):
        pages = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        pages.madvise(mmap.MADV_NOHUGEPAGE)  # whole pages of 2 MiB would round the amount
        _touch(pages)
        return [_lock(pages) if kind == "locked-anonymous" else pages]
    if kind == "shared":
        pages = mmap.mmap(-1, size_bytes)
        _touch(pages)
        return [pages]
    if kind == "tmpfs":
        descriptor = os.memfd_create("cgtune-test")
        _write(descriptor, size_bytes)
        return [descriptor]
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    _write(descriptor, size_bytes)
    if kind == "dirty":
        return [descriptor]
    os.fsync(descriptor)
    if kind == "cache":
        return [descriptor]
    pages = mmap.mmap(descriptor, size_bytes, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    for offset in range(0, size_bytes, mmap.PAGESIZE):
        pages[offset]  # a look maps the page and leaves it clean
    return [descriptor, _lock(pages) if kind == "locked" else pages]


def _touch(pages: mmap.mmap) -> None:
    for offset in range(0, len(pages), mmap.PAGESIZE):
        pages[offset] = 1


def _write(descriptor: int, size_bytes: int) -> None:
    for _ in range(size_bytes // _BLOCK):
        os.write(descriptor, b"x" * _BLOCK)


def _lock(pages: mmap.mmap) -> mmap.mmap:
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    if ctypes.CDLL(None, use_errno=True).mlock(ctypes.c_void_p(address), ctypes.c_size_t(len(pages))):
        raise OSError(ctypes.get_errno(), "mlock")
    return pages


def main(kind: str, file: str, size_mib: str, ready: str) -> None:
    """The program: says that it is there, waits, takes, says so, sleeps."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    Path(ready).write_text("there")
    signal.sigwait([signal.SIGUSR1])
    kept = take(kind, file, int(size_mib) * MIB)
    Path(ready).write_text("taken")
    time.sleep(600)
    del kept


if __name__ == "__main__":
    main(*sys.argv[1:])
