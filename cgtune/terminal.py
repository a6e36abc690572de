"""What every face of cgtune shares with the terminal: exit codes, one write of all output, one line for each failure."""

from __future__ import annotations

import os
import sys

from cgtune.errors import Unwritable
from cgtune.outputs.escape import escape_control

EXIT_CLEAN, EXIT_FINDING, EXIT_USAGE, EXIT_COULD_NOT_INSPECT, EXIT_INTERRUPTED = 0, 1, 2, 3, 130
EXIT_EXEC_FAILED, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND = 125, 126, 127  # of exec, as of env(1): its command has all others


def fail(message: str, code: int) -> int:
    """Say in one line on stderr why nothing came of it, and give the exit code back."""
    sys.stderr.write(f"cgtune: {escape_control(message)}\n")
    return code


def emit(text: str) -> None:
    """One write of all output. A reader that has gone away takes nothing from the verdict; a full disk is an error (Unwritable)."""
    try:
        sys.stdout.buffer.write(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace"))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whatever Python flushes at its end must not find the broken pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Unwritable(f"could not write to standard output: {error.strerror}") from error
