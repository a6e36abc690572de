"""What every face of cgtune shares with the terminal: output whole or in large pieces, one line for each failure."""

from __future__ import annotations

import os
import sys

from cgtune.errors import Unwritable
from cgtune.outputs.escape import escape_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

_PATIENCE_SECONDS = 2.0
_WRITE_BYTES = 256 << 10

#: What takes long on a machine with very many processes, or with very little CPU time.
LOOKING = "looking at the processes"


def looking(window_seconds: float | None) -> str:
    """The same, or that somebody asked for a window, which takes its time."""
    return LOOKING if window_seconds is None else f"watching for {window_seconds:g} s"


def fail(message: str, code: int) -> int:
    """Say in one line on stderr why nothing came of it, and give the exit code back."""
    complain(f"cgtune: {escape_control(message)}\n")
    return code


def complain(text: str) -> None:
    """Write to stderr, if there is somebody to hear it: the exit code says what counts."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


class Telling:
    """On a terminal, work that takes over two seconds says on stderr what it is about; the line is gone when the work is done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_shown = False

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            import signal

            signal.signal(signal.SIGALRM, self._show)
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS)

    def __exit__(self, *_: object) -> None:
        self.end()

    def say(self, what: str) -> None:
        """The work is about something else now."""
        self._what = what
        if self._is_shown:
            complain("\r\x1b[K")
            self._show()

    def end(self) -> None:
        """The work is done, or speaks for itself from now on."""
        if sys.stderr.isatty():
            import signal

            signal.setitimer(signal.ITIMER_REAL, 0)
        if self._is_shown:
            complain("\r\x1b[K")
            self._is_shown = False

    def _show(self, *_: object) -> None:
        self._is_shown = True
        complain(f"cgtune: {self._what} ...")


def open_closed_streams() -> None:
    """Give a process that was started with stdout or stderr closed one that leads nowhere: what it finds out is in its exit code."""
    # None where the descriptor was closed (Python/pylifecycle.c, create_stdio)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open to the end
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def emit(text: str | Iterator[str]) -> None:
    """One write of all output, or one for each 256 KiB of what comes in pieces. A reader that has gone away takes nothing from the verdict;
    a full disk is an error (Unwritable).
    """
    encoding, waiting = sys.stdout.encoding or "utf-8", bytearray()
    try:
        for piece in (text,) if isinstance(text, str) else text:
            waiting += piece.encode(encoding, "backslashreplace")
            if len(waiting) >= _WRITE_BYTES:
                _write(bytes(waiting))
                waiting.clear()
        _write(bytes(waiting))
    except OSError as error:
        settle(error)


def _write(left: bytes) -> None:
    while True:
        try:
            sys.stdout.buffer.write(left)
            left = b""
            sys.stdout.flush()
        except BlockingIOError as error:  # somebody has set it to O_NONBLOCK, and its reader is slow
            import select

            left = left[error.characters_written :]
            select.select([], [sys.stdout], [])
        else:
            return


def settle(error: OSError) -> None:
    """What becomes of output that could not be written, whoever wrote it: see emit."""
    _discard(sys.stdout)
    if not isinstance(error, BrokenPipeError):
        raise Unwritable(f"could not write to standard output: {error.strerror}; send it to where there is room") from error


def _discard(stream: TextIO) -> None:
    # Point the stream at /dev/null: otherwise Python's flush at exit fails again and makes the exit code 120.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
