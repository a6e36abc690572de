"""Processes whose end is noticed at once, or soon, without a scan: one open file for each.

A pidfd (pidfd_open(2), Linux 5.3) is readable when its process has ended, and Linux 6.15 tells how. Where the pids below a root are of
another PID namespace than ours, as a node agent's may be, a process's folder in /proc is kept open and asked from time to time: it answers
for that process alone, whoever has its pid next.
"""

from __future__ import annotations

import os
import select
import struct
import time

from cgtune.system.root import DIRECTORY_FLAGS, let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: A signal to stop is seen as soon; and processes are asked no more often than this, and than costs a 400th of the time.
_TURN_SECONDS = 0.25
_SHARE = 400

#: Files that are left to connections and scans.
_OTHER_FILES = 512

# _IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info) of include/uapi/linux/pidfd.h: the first 64 bytes end with exit_code, an __s32
_PIDFD_GET_INFO = (3 << 30) | (64 << 16) | (0xFF << 8) | 11
_PIDFD_INFO_EXIT = 1 << 3
_EXIT_CODE_OFFSET = 60


class Watched:
    """The processes that are watched, by pid: whoever calls makes sure that a pid is still that of the process that is meant."""

    def __init__(self, root: str) -> None:
        """``root`` is a live machine's."""
        import resource

        self._root, self._has_pidfds = root, root == "/" and hasattr(os, "pidfd_open")
        self._most = max(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHER_FILES)
        self._files: dict[int, int] = {}
        self._poll = select.poll()
        self._asked_at = 0.0
        self._turn_seconds = _TURN_SECONDS

    def __contains__(self, pid: int) -> bool:
        return pid in self._files

    def add(self, pid: int) -> None:
        """Watch a process; in vain where it has ended, or where too many files are open: then only a scan tells."""
        if pid in self._files or len(self._files) >= self._most:
            return
        try:
            if self._has_pidfds:
                self._files[pid] = file = os.pidfd_open(pid)
                self._poll.register(file, select.POLLIN)
            else:
                self._files[pid] = os.open(f"{self._root.rstrip('/')}/proc/{pid}", DIRECTORY_FLAGS | os.O_NOFOLLOW)
        except OSError:
            return

    def keep(self, pids: frozenset[int]) -> None:
        """Watch no others than these any more."""
        for pid in self._files.keys() - pids:
            self.drop(pid)

    def drop(self, pid: int) -> None:
        """Watch this one no more."""
        file = self._files.pop(pid, None)
        if file is None:
            return
        if self._has_pidfds:
            self._poll.unregister(file)
        let_go(file)

    def wait(self, seconds: float, is_stopped: Callable[[], bool], sleep: Callable[[float], object]) -> frozenset[int]:
        """Until one of them has ended, for so long at the most; those that have, by pid. ``sleep`` ends when it is time to stop."""
        deadline = time.monotonic() + seconds
        while not is_stopped():
            if ended := self.ended():
                return ended
            left = deadline - time.monotonic()
            if left <= 0:
                break
            if self._has_pidfds and self._files:
                self._poll.poll(1000 * min(left, _TURN_SECONDS))
            else:
                sleep(min(left, self._turn_seconds) if self._files else left)
        return frozenset()

    def ended(self) -> frozenset[int]:
        """Those that have ended, by pid; zombies too."""
        if self._has_pidfds:
            ready = {file for file, _ in self._poll.poll(0)}
            return frozenset(pid for pid, file in self._files.items() if file in ready) if ready else frozenset()
        began = time.monotonic()
        found = frozenset(pid for pid, folder in self._files.items() if not _is_alive(folder))
        self._turn_seconds = max(_TURN_SECONDS, _SHARE * (time.monotonic() - began))
        return found

    def status(self, pid: int) -> int | None:
        """How a process ended, as wait(2) would tell its parent; None if that is not known, and as long as the parent has not asked."""
        if not self._has_pidfds or pid not in self._files:
            return None
        import fcntl

        answer = bytearray(64)
        struct.pack_into("=Q", answer, 0, _PIDFD_INFO_EXIT)
        try:
            fcntl.ioctl(self._files[pid], _PIDFD_GET_INFO, answer)
        except OSError:
            return None
        (told,) = struct.unpack_from("=Q", answer, 0)
        return int(struct.unpack_from("=i", answer, _EXIT_CODE_OFFSET)[0]) if told & _PIDFD_INFO_EXIT else None

    def close(self) -> None:
        """Watch nobody any more."""
        self.keep(frozenset())


def _is_alive(folder: int) -> bool:
    try:
        os.readlink("exe", dir_fd=folder)  # a zombie has none
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:  # not ours to look at
        try:
            os.stat("stat", dir_fd=folder)
        except (ProcessLookupError, FileNotFoundError):
            return False
        except OSError:  # nothing is known: the next look tells
            return True
    return True
