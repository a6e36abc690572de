"""The face of ``cgtune exec`` below its options: sets the recommended variables and becomes the command.

What cannot be found out must not keep a program from starting: then nothing is set, and the one line on stderr says so. The environment
comes from /proc/self/environ, byte for byte, because Python itself may add to it at its start (LC_CTYPE, PEP 538). Python also ignores
SIGPIPE and SIGXFSZ before any of our code runs, which a command would inherit.
Not covered: whether these two were ignored before Python started cannot be found out; the command gets the default. Entries of the
environment without a name or without "=" are left out: no exec call of Python's takes them.
"""

from __future__ import annotations

import errno
import os
import stat

from cgtune import exits
from cgtune.commands.terminal import emit, fail
from cgtune.errors import CgtuneError, UsageError, reason
from cgtune.model import Policy
from cgtune.outputs.escape import escape_bytes, escape_control
from cgtune.records import Record
from cgtune.system.host import Host, timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from cgtune.advice.variables import Outcome

    Environ = tuple[tuple[str, str], ...]

_SHELL = "/bin/sh"
_USUAL_PATH = "/bin:/usr/bin"  # confstr(_CS_PATH), which execvp(3) takes where PATH is not set
_MOST_ENVIRON_BYTES = 64 << 20
_HINTS = {
    errno.E2BIG: "its arguments and its environment together are too long, shorten them",
    errno.ETXTBSY: "somebody has it open for writing, wait until it is written",
}


class ExecOptions(Record):
    """What to become, and how. ``command`` holds at least the program's name."""

    command: tuple[str, ...]
    override: bool = False
    always: bool = False
    dry_run: bool = False
    log_format: str = "text"
    root: str = "/"
    policy: Policy = Policy()


class Executable(Record):
    """The file that execvp(3) would take, or (``code``) why there is none."""

    path: str
    code: int = 0
    why: str = ""


def run_exec(options: ExecOptions) -> int:
    """Become the command; an exit code comes back only where that failed, and from a dry run."""
    name = options.command[0]
    environ = read_own_environ()
    program = locate_program(name, next((value for key, value in environ if key == "PATH"), _USUAL_PATH))
    if program.code:
        return fail(f"{name!r}: {program.why}", program.code)
    try:
        environ, line, outcomes = _prepare(program.path, environ, options)
        if options.dry_run:
            emit("".join(f"{outcome.name}={outcome.value}\n" for outcome in outcomes if outcome.act == "set"))
    except CgtuneError as error:  # an option that cannot be used, or a dry run that could not print
        return fail(str(error), exits.EXEC_FAILED)
    _log(line)
    return exits.CLEAN if options.dry_run else _become(program.path, options.command, environ)


def read_own_environ() -> Environ:
    """The environment that this process was started with, in its order, duplicates and all."""
    try:
        with Host() as host:
            content = host.read_bytes(f"/proc/{host.read_link('/proc/self')}/environ", cap_bytes=_MOST_ENVIRON_BYTES)
    except CgtuneError:  # no /proc here: then as Python has it
        content = b"\0".join(name + b"=" + value for name, value in os.environb.items())
    pairs = (os.fsdecode(entry).partition("=") for entry in content.split(b"\0"))
    return tuple((name, value) for name, equals, value in pairs if name and equals)


def locate_program(name: str, path: str) -> Executable:
    """The file that execvp(3) would take for this name."""
    refused = missing = None
    for candidate in [name] if "/" in name else [f"{folder or '.'}/{name}" for folder in path.split(":")]:
        try:
            found = os.stat(candidate)
        except PermissionError:
            refused = refused or "a folder on the way to it may not be entered; look at their modes with namei -l"
            continue
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            missing = reason(error)
            continue
        if not name or stat.S_ISDIR(found.st_mode):
            refused = refused or "it is a folder; give the path of the program in it"
        elif not stat.S_ISREG(found.st_mode) or not os.access(candidate, os.X_OK, effective_ids=True):
            refused = refused or "it may not be executed; look at its mode with ls -l, and for noexec with findmnt -T"
        else:
            return Executable(path=candidate)
    if refused is not None and name:
        return Executable(path="", code=exits.NOT_EXECUTABLE, why=refused)
    where = missing if "/" in name else f"not found in PATH, which is {path!r}"
    return Executable(path="", code=exits.NOT_FOUND, why=f"{where}; give the path of the program")


def _prepare(path: str, environ: Environ, options: ExecOptions) -> tuple[Environ, str, tuple[Outcome, ...]]:
    """The environment to start with, the line to log, and what was done."""
    try:
        from cgtune.advice.variables import apply_variables
        from cgtune.commands.planning import plan_for_command

        variables, go = plan_for_command(path, environ, options.policy, root=options.root, always=options.always)
        environ, outcomes = apply_variables(environ, variables, override=options.override, minor=_minor(go))
    except UsageError:
        raise
    except CgtuneError as error:
        return environ, _render_log(path, None, (), options.log_format, trouble=str(error)), ()
    except Exception as error:  # noqa: BLE001  # a fault of ours must not take down what it was to start
        trouble = f"cgtune itself failed with {type(error).__name__}: {error}; please report it"
        return environ, _render_log(path, None, (), options.log_format, trouble=trouble), ()
    return environ, _render_log(path, go, outcomes, options.log_format), outcomes


def _minor(go: str | None) -> int | None:
    from cgtune.runtimes.go.program.version import parse_version

    version = None if go is None else parse_version(f"go{go}")
    return None if version is None else version.minor


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
    kind = f"Go {go}" if go is not None else "not known as a Go program"
    said = [failed] if failed else [f"{_say(outcome)} ({'; '.join(outcome.because)})" for outcome in outcomes]
    return escape_control(f"cgtune: exec {path} ({kind}): {', '.join(said)}")


def _say(outcome: Outcome) -> str:
    if outcome.act == "set":
        return f"{outcome.name}={outcome.value}"
    return f"{outcome.name} kept at {outcome.value!r}" if outcome.act == "kept" else f"{outcome.name} {outcome.act}"


def _log(line: str) -> None:
    """Straight to the file descriptor: whatever becomes of it, the command starts."""
    try:
        os.write(2, f"{line}\n".encode())
    except OSError:
        return


class _Entries:
    """An environment as os.execve takes one, which asks for no more than keys and values: names may stand in it twice."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __len__(self) -> int:
        return len(self._environ)

    def __getitem__(self, name: str) -> str:
        return dict(self._environ)[name]

    def keys(self) -> list[str]:
        return [name for name, _ in self._environ]

    def values(self) -> list[str]:
        return [value for _, value in self._environ]


def _become(path: str, command: Sequence[str], environ: Environ) -> int:
    """Replace this process; an exit code comes back where the kernel refused."""
    import signal

    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python/pylifecycle.c: ignored at its start, and so they would stay
        signal.signal(number, signal.SIG_DFL)
    try:
        _execve(path, command, environ)
    except OSError as error:
        if error.errno == errno.ENOEXEC and not _is_binary(path):
            try:  # as execvp(3) does for a script without #!
                _execve(_SHELL, (_SHELL, path, *command[1:]), environ)
            except OSError as refused:
                error = refused
        if error.errno == errno.ENOENT:
            return fail(f"{path!r} is there, but its interpreter or loader is not; look at its first line, or at ldd", exits.NOT_FOUND)
        return fail(f"{path!r}: {reason(error)}; {_HINTS.get(error.errno or 0, 'look at it with file(1)')}", exits.NOT_EXECUTABLE)
    except ValueError as error:  # a NUL in an argument
        return fail(f"{path!r}: {error}; look at its arguments", exits.EXEC_FAILED)


def _execve(path: str, arguments: Sequence[str], environ: Environ) -> NoReturn:
    # All that posixmodule.c asks of an environment. S606: to start a program is what was asked for.
    os.execve(path, list(arguments), _Entries(environ))  # type: ignore[arg-type]  # noqa: S606


def _is_binary(path: str) -> bool:
    """Whether a shell would refuse it for a script."""
    try:
        with open(path, "rb") as file:
            return b"\0" in file.read(128)
    except OSError:
        return True
