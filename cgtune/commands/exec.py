"""The face of ``cgtune exec`` below its options: sets the recommended variables and becomes the command.

What cannot be found out must not keep a program from starting: then nothing is set, and the one line on stderr says so.
"""

from __future__ import annotations

import os

from cgtune import exits
from cgtune.commands.terminal import emit, fail
from cgtune.errors import CgtuneError, UsageError
from cgtune.model import Policy, name_toolchain
from cgtune.outputs.escape import escape_bytes, escape_control
from cgtune.records import Record
from cgtune.system.execute import Failure, locate_program, read_own_environ, replace_process
from cgtune.system.host import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.advice.variables import Outcome
    from cgtune.system.execute import Environ

_CODES = {"not-found": exits.NOT_FOUND, "not-executable": exits.NOT_EXECUTABLE, "not-possible": exits.EXEC_FAILED}


class ExecOptions(Record):
    """What to become, and how. ``command`` holds at least the program's name."""

    command: tuple[str, ...]
    override: bool = False
    always: bool = False
    dry_run: bool = False
    log_format: str = "text"
    root: str = "/"
    policy: Policy = Policy()


def run_exec(options: ExecOptions) -> int:
    """Become the command; an exit code comes back only where that failed, and from a dry run."""
    environ = read_own_environ()
    path = locate_program(options.command[0], environ)
    if isinstance(path, Failure):
        return fail(path.why, _CODES[path.cause])
    try:
        environ, line, outcomes = _prepare(path, environ, options)
        if options.dry_run:
            emit("".join(f"{outcome.name}={outcome.value}\n" for outcome in outcomes if outcome.act == "set"))
    except CgtuneError as error:  # an option that cannot be used, or a dry run that could not print
        return fail(str(error), exits.EXEC_FAILED)
    _log(line)
    if options.dry_run:
        return exits.CLEAN
    failure = replace_process(path, options.command, environ)
    return fail(failure.why, _CODES[failure.cause])


def _prepare(path: str, environ: Environ, options: ExecOptions) -> tuple[Environ, str, tuple[Outcome, ...]]:
    """The environment to start with, the line to log, and what was done."""
    try:
        from cgtune.advice.variables import apply_variables
        from cgtune.commands.planning import plan_for_command

        variables, program = plan_for_command(path, environ, options.policy, root=options.root, always=options.always)
        go, version = (None, None) if program is None else (program.go, program.version)
        minor = None if version is None else version.minor
        environ, outcomes = apply_variables(environ, variables, override=options.override, minor=minor)
    except UsageError:
        raise
    except CgtuneError as error:
        return environ, _render_log(path, None, (), options.log_format, trouble=str(error)), ()
    except (OSError, ImportError) as error:  # what we load comes from a disk, too
        return environ, _render_log(path, None, (), options.log_format, trouble=f"the machine failed: {error}"), ()
    except Exception as error:  # noqa: BLE001  # a fault of ours must not take down what it was to start
        trouble = f"cgtune itself failed with {type(error).__name__}: {error}; please report it"
        return environ, _render_log(path, None, (), options.log_format, trouble=trouble), ()
    return environ, _render_log(path, go, outcomes, options.log_format), outcomes


def _render_log(path: str, go: str | None, outcomes: Sequence[Outcome], log_format: str, *, trouble: str | None = None) -> str:
    """One line for a person, or one JSON object for a log collector."""
    failed = "" if trouble is None else f"nothing is set, the limits could not be read: {trouble}"
    if log_format == "json":
        import json
        import time

        fields: dict[str, object] = {
            "time": timestamp(time.time()),
            "level": "warning" if failed else "info",
            "msg": escape_bytes(f"cgtune exec: {failed}") if failed else "cgtune exec",
            "program": escape_bytes(path),
            "go": go,
            "variables": [
                {
                    "name": each.name,
                    "act": each.act,
                    "value": each.value and escape_bytes(each.value),
                    "because": [escape_bytes(why) for why in each.because],
                }
                for each in outcomes
            ],
        }
        return json.dumps(fields)
    kind = name_toolchain(go) if go is not None else "not known as a Go program"
    said = [failed] if failed else [f"{_say(outcome)} ({'; '.join(outcome.because)})" for outcome in outcomes]
    return escape_control(f"cgtune: exec {path} ({kind}): {', '.join(said)}")


def _say(outcome: Outcome) -> str:
    if outcome.act == "set":
        return f"{outcome.name}={outcome.value}"
    return f"{outcome.name} kept at {outcome.value!r}" if outcome.act == "kept" else f"{outcome.name} {outcome.act}"


def _log(line: str) -> None:
    """Straight to the file descriptor: whatever becomes of it, the command starts."""
    try:
        left = f"{line}\n".encode()
        while left:
            left = left[os.write(2, left) :]
    except OSError:
        return
