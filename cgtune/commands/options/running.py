"""How a command ends, whichever start read its options: each failure is one line on stderr and an exit code of the contract."""

from __future__ import annotations

import os

from cgtune import exits
from cgtune.commands.terminal import fail
from cgtune.errors import CgtuneError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def run_command(arguments: list[str], run: Callable[[], int | None]) -> int:
    """Run a command whose options are read; ``arguments`` is its command line."""
    try:
        code = run()
    except UsageError as error:
        return refuse(arguments, str(error), exits.USAGE)
    except CgtuneError as error:
        return refuse(arguments, str(error), exits.COULD_NOT_INSPECT)
    return exits.CLEAN if code is None else code


def refuse(arguments: list[str], message: str, code: int) -> int:
    """One line that says why; to a nagios daemon a command line that cannot be used is UNKNOWN too, and exec's codes are its own."""
    if arguments[:1] == ["exec"]:
        return fail(message, exits.EXEC_FAILED)
    if arguments[:1] != ["check"]:
        return fail(message, code)
    from cgtune.commands.check import parse_refused, refuse

    return refuse(message, code, *parse_refused(arguments, os.environ))
