"""Reads that may never return, in another process: that one can be left behind. Nothing else ends a read in which the kernel waits for a
FUSE server, not even SIGKILL, and a process that has a thread in one does not end either.

The other process is this Python with a loop that reads one file after the other (answering.py). It is started when the first such
read comes, and ends when its pipe is closed. One that is late is killed and replaced. As long as the kernel does not let it die, what it
was about is not asked for again; and there are only so many.
"""

from __future__ import annotations

import errno
import marshal
import os
import select
import signal
import sys
import time

from cgtune.errors import Unreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

#: How long all such reads of one process may take in one look, and those of all processes that hang on the same file systems. What counts
#: is the time in which the helper sleeps or runs: while it waits for a CPU, a quota or its neighbours keep it from answering.
PROCESS_SECONDS = 0.25

#: Behind so much that was waited for in vain in one look, nobody is waited for as long.
_LOOK_SECONDS = 2.0
_LEAST_SECONDS = 0.1

#: Helpers that the kernel does not let die; each takes some 6 MiB. Whose reads were answered before may have one more.
MOST_STUCK = 4

#: How long a helper may take to start: that waits for a CPU, and for no file system.
_START_SECONDS = 10.0

#: How much longer it may take if it waits for a CPU; how often that is looked at, and what is too short for a look.
_CPU_SECONDS = 4.0
_SLICE_SECONDS = 0.02
_SHORT_SECONDS = 0.001

#: Who was late is asked again after so long, then after twice as long, and so on.
_AGAIN_SECONDS = 1.0
_MOST_AGAIN_SECONDS = 600.0

HEAD_BYTES = 8  # of each request and each answer: how long it is
REFUSED = -1  # in the place of an errno: the path is no plain one


class _Helper:
    """The process, and the pipes to it."""

    def __init__(self, root: str) -> None:
        """Start it. Raises OSError."""
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from cgtune.system.answering import answer_requests; answer_requests(sys.argv[2])"
        )
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        arguments = [sys.executable or "python3", "-I", "-S", "-c", code, folder, root]
        theirs, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        try:
            self.pid = os.posix_spawn(
                arguments[0],
                arguments,
                dict(os.environ),
                # Its own group: Ctrl-C is for the command. Nothing of ours stays open in it, as it may outlive us
                setpgroup=0,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs, 0),
                    (os.POSIX_SPAWN_DUP2, answers, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
            )
        except OSError:
            self.close()
            raise
        finally:
            os.close(theirs)
            os.close(answers)
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        self._ran_seconds = self._queued_seconds = 0.0

    def close(self) -> None:
        """Close the pipes: it ends by itself as soon as it can."""
        os.close(self._requests)
        os.close(self._answers)

    def send(self, request: tuple[Any, ...]) -> None:
        """Raises OSError if it is gone."""
        data = marshal.dumps(request)
        os.write(self._requests, len(data).to_bytes(HEAD_BYTES, "big") + data)

    def receive(self, seconds: float) -> tuple[Any, float]:
        """Returns (its answer, how many of the seconds it took). Raises TimeoutError if it is late, EOFError or OSError if it is gone."""
        wait = _Wait(self, seconds)
        size = int.from_bytes(self._receive(HEAD_BYTES, wait), "big")
        data = self._receive(size, wait)
        wait.count(is_over=True)
        return marshal.loads(data), wait.seconds  # noqa: S302  # written by our own code

    def _receive(self, size: int, wait: _Wait) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not self._poll.poll(1000 * _SLICE_SECONDS):
                wait.count(is_over=False)
                continue
            part = os.read(self._answers, size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def take_times(self) -> tuple[float, float]:
        """Returns (the seconds that it ran, those that it waited for a CPU), both since this was asked last; zeros if nobody counts."""
        # 173268 40521 12: ns on a CPU, ns waiting for one, turns (Documentation/scheduler/sched-stats.rst); used: 1, 2
        try:
            with open(f"/proc/{self.pid}/schedstat", "rb") as file:
                ran, queued = (int(word) / 1e9 for word in file.read().split()[:2])
        except (OSError, ValueError):
            return 0.0, 0.0
        before = self._ran_seconds, self._queued_seconds
        self._ran_seconds, self._queued_seconds = ran, queued
        return ran - before[0], queued - before[1]

    def could_run(self) -> bool:
        """Whether it runs or waits for a CPU: then it hangs in no read."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                return file.read().rpartition(b") ")[2][:1] == b"R"
        except OSError:
            return False


class _Wait:
    """The wait for one answer. ``seconds`` is how much of it counts."""

    def __init__(self, helper: _Helper, most_seconds: float) -> None:
        self._helper, self._most_seconds = helper, most_seconds
        self._now = time.monotonic()
        self._latest_seconds = self._now + most_seconds + _CPU_SECONDS
        self.seconds = 0.0

    def count(self, *, is_over: bool) -> None:
        """Count what went by since the last time; raises TimeoutError if it is too much, and the wait is not over."""
        before, self._now = self._now, time.monotonic()
        passed = self._now - before
        if is_over and passed < _SHORT_SECONDS:
            self.seconds += passed
            return
        ran, queued = self._helper.take_times()
        self.seconds += min(ran, passed) if not is_over and self._helper.could_run() else max(0.0, passed - queued)
        if not is_over and (self.seconds >= self._most_seconds or self._now >= self._latest_seconds):
            raise _late()


class _Late:
    """What was not answered in time: how often in a row, when it may be asked for again, and the helper that may still hang in it."""

    def __init__(self, times: int, helper: int) -> None:
        self.times, self.helper = times, helper
        self.again_seconds = time.monotonic() + min(_AGAIN_SECONDS * 2.0 ** (times - 1), _MOST_AGAIN_SECONDS)


class Aside:
    """Asks another process to read. One thread uses it. ``root`` is the folder of a live Root."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._helper: _Helper | None = None
        self._stuck: set[int] = set()
        self._late: dict[Hashable, _Late] = {}
        self._answered: dict[Hashable, None] = {}
        self._took: dict[Hashable, float] = {}
        self._took_of: dict[str, float] = {}  # by /proc/PID, likewise
        self._late_now: set[Hashable] = set()
        self._open: set[str] = set()  # by /proc/PID, what the helper may keep open
        self._waited_seconds = 0.0

    def begin_look(self) -> None:
        """What was late in the last look counts no more for how long this one waits."""
        for key in self._took.keys() - self._late_now:
            self._late.pop(key, None)
            self._answered[key] = None
        while len(self._answered) > 1024:
            del self._answered[next(iter(self._answered))]
        self._took, self._took_of, self._late_now, self._waited_seconds = {}, {}, set(), 0.0
        self._reap()

    def ask(self, key: Hashable, name: str, path: str, *more: int) -> Any:
        """What the method ``name`` of source.Files answers. ``key``: who answers for it; if one such read is late, others are not tried.

        Raises OSError as that does, Unreadable for what is no plain path, and TimeoutError.
        """
        process = "/".join(path.split("/", 3)[:3])
        most = PROCESS_SECONDS if self._waited_seconds < _LOOK_SECONDS else _LEAST_SECONDS
        left = most - max(self._took.get(key, 0.0), self._took_of.get(process, 0.0))
        if left <= 0 or not self._may_ask(key):
            raise _late()
        if self._helper is None:
            self._helper = self._start(key)
        self._open.add(process)
        took = 0.0
        try:
            self._helper.send((name, path, *more))
            (number, answer), took = self._helper.receive(left)
        except TimeoutError:
            took = left
            self._waited_seconds += left
            self._give_up(key)
            raise
        except (EOFError, OSError) as error:
            self._end(self._helper)
            self._helper = None
            raise OSError(errno.EIO, "the process that reads it has ended") from error
        finally:
            self._took[key] = self._took.get(key, 0.0) + took
            self._took_of[process] = self._took_of.get(process, 0.0) + took
        if number == REFUSED:
            raise Unreadable(answer)
        if number:
            raise OSError(number, answer)
        return answer

    def forget(self, below: str) -> None:
        """Close what the other process keeps open at or below ``below``."""
        if self._helper is None or not (self._open if below == "/" else below in self._open):
            return
        self._open = self._open - {below} if below != "/" else set()
        try:
            self._helper.send(("forget", below))
            self._helper.receive(PROCESS_SECONDS)
        except (EOFError, OSError):
            self._end(self._helper)
            self._helper = None

    def close(self) -> None:
        """End it. Those that the kernel does not let die are left behind, and end when their file system answers."""
        if self._helper is not None:
            self._end(self._helper)
            self._helper = None
        self._reap()

    def _may_ask(self, key: Hashable) -> bool:
        late = self._late.get(key)
        if late is None:
            return True
        self._reap()
        return late.helper not in self._stuck and time.monotonic() >= late.again_seconds

    def _start(self, key: Hashable) -> _Helper:
        self._reap()
        if len(self._stuck) >= MOST_STUCK + (key in self._answered):
            raise _late()
        helper = _Helper(self._root)
        try:
            helper.receive(_START_SECONDS)
        except (EOFError, OSError) as error:
            self._end(helper)
            raise OSError(errno.EAGAIN, "the process that was to read it did not start") from error
        return helper

    def _give_up(self, key: Hashable) -> None:
        assert self._helper is not None
        before = self._late.get(key)
        self._late[key] = _Late(1 if before is None else before.times + 1, self._helper.pid)
        self._late_now.add(key)
        self._end(self._helper)
        self._helper = None

    def _end(self, helper: _Helper) -> None:
        os.kill(helper.pid, signal.SIGKILL)  # it is not reaped yet, whatever became of it
        helper.close()
        self._stuck.add(helper.pid)
        for _ in range(10):
            self._reap()
            if helper.pid not in self._stuck:
                break
            time.sleep(0.001)

    def _reap(self) -> None:
        for pid in tuple(self._stuck):
            try:
                if os.waitpid(pid, os.WNOHANG)[0]:
                    self._stuck.discard(pid)
            except ChildProcessError:
                self._stuck.discard(pid)


def _late() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
