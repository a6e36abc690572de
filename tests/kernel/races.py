"""Changes while one looks: at each moment of a look in turn, and by a process that never rests.

The first needs no luck: a look is stopped before one of its system calls, something is changed, and it goes on. The second is a real
race, and goes on until what it is about was seen: a guest whose CPUs are wanted elsewhere may need ten times as long for that.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

from tests.kernel import subjects

_Seen = TypeVar("_Seen")
PATIENCE_SECONDS = 240  # only a test that fails waits so long
_CALLS = ("open", "read", "pread", "readlink", "listdir")  # how cgtune.host reads; what else it calls cannot see a change


@contextlib.contextmanager
def _before_each_call(step: Callable[[], object]) -> Iterator[None]:
    """Take a step before each system call by which this process reads."""
    originals = {name: getattr(os, name) for name in _CALLS}

    def interposed(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            step()
            return original(*arguments, **options)

        return call

    for name, original in originals.items():
        setattr(os, name, interposed(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def count_moments(look: Callable[[], object]) -> int:
    """How many system calls a look reads by."""
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    with _before_each_call(count):
        look()
    return calls


def changed_at(moment: int, change: Callable[[], object], look: Callable[[], _Seen]) -> _Seen:
    """What a look says when the change happens right before its system call of this number, from 0; after all where it has fewer."""
    left = moment

    def count() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            change()

    with _before_each_call(count):
        seen = look()
    if left >= 0:
        change()
    return seen


class Restless:
    """A fork that takes one step over and over, as a context manager. A step that fails ends it, and the race with its words."""

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step
        self._pid = 0
        self._said = -1
        self._rounds = mmap.mmap(-1, 8)  # shared with the fork
        self._deadline = time.monotonic() + PATIENCE_SECONDS

    @property
    def rounds(self) -> int:
        """How often the step was taken to its end."""
        return int.from_bytes(self._rounds[:8], "little")

    def goes_on(self, seen: object) -> None:
        """Fail where the fork has ended, or where what is waited for was not seen for too long; ``seen`` is what was."""
        ended, _ = os.waitpid(self._pid, os.WNOHANG)
        if ended:
            self._pid = 0
            raise AssertionError(f"no race any more after {self.rounds} rounds: {self._last_words()}")
        assert time.monotonic() < self._deadline, f"seen in {PATIENCE_SECONDS} s and {self.rounds} rounds: {seen}"

    def _last_words(self) -> str:
        return os.read(self._said, 1 << 16).decode()

    def _run(self, said: int) -> None:
        try:
            subjects.die_with_parent()
            for rounds in itertools.count(1):
                self._step()
                self._rounds[:8] = rounds.to_bytes(8, "little")
        except BaseException:  # noqa: BLE001  # a fork must not return into the test's frames, whatever happened
            os.write(said, traceback.format_exc().encode()[-8000:])
        finally:
            os._exit(1)

    def __enter__(self) -> Self:
        self._said, said = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            self._run(said)
        os.close(said)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._said)
        self._rounds.close()
