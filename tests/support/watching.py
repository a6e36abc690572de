"""``cgtune env --watch`` as a process: what it has said so far, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from tests.support.command import PROGRAM, environment

PATIENCE_SECONDS = 60.0


class Watcher:
    """A running watcher, as a context manager. ``before`` is what starts it: a way into a cgroup, say."""

    def __init__(self, folder: Path, *arguments: object, before: Sequence[str] = (), **environ: str) -> None:
        self.output = folder / "go.env"
        self._log = folder / "log"
        argv = [*before, *PROGRAM, "env", "--output", str(self.output), "--watch", *map(str, arguments)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(**environ))

    def __enter__(self) -> Self:
        self.wait_for(lambda: "watching the limits" in self.said())
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        """All that it has written to stdout and stderr."""
        return self._log.read_text()

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Until it is so, at most a minute."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def file(self) -> tuple[int, int, str]:
        """The file's inode, time and content."""
        state = self.output.stat()
        return state.st_ino, state.st_mtime_ns, self.output.read_text()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Its exit code, and how many seconds it took to end."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS), time.monotonic() - began
