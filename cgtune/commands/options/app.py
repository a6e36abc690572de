"""The face: options in, text and exit code out."""

from __future__ import annotations

import copy
import os
import sys
from typing import Annotated, Literal

import typer

from cgtune import exits
from cgtune.commands.options.check import check
from cgtune.commands.options.env import env
from cgtune.commands.options.exec import exec_
from cgtune.commands.options.predict import predict
from cgtune.commands.options.serve import serve
from cgtune.commands.options.shared import (  # noqa: TC001  # typer reads them
    Headroom,
    MinProcs,
    Numbers,
    Outside,
    Pids,
    ReserveCpu,
    Root,
    Rounding,
    SelfOnly,
)
from cgtune.commands.terminal import (
    LOOKING,
    Telling,
    complain,
    emit,
    fail,
)
from cgtune.errors import CgtuneError, UsageError

app = typer.Typer(
    name="cgtune",
    help="What the kernel enforces on a process in a container, what its Go runtime derives from that, and what it really has.",
    epilog="""Options follow the command: cgtune inspect --pid 42. Each has a twin in the environment, which --help of the command names.

Exit codes: 0 clean, 1 a finding (check), 2 usage error, 3 could not inspect, 130 interrupted; of exec its command's own, or 125, 126, 127.
""",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Format = Annotated[
    Literal["table", "json"],
    typer.Option("--format", envvar="CGTUNE_FORMAT", help="A table for people, JSON (cgtune/report/v1) for scripts."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from cgtune import __version__

        emit(f"cgtune {__version__}\n")
        raise typer.Exit


@app.callback()
def _cgtune(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")] = False,
) -> None:
    pass


@app.command(short_help="The report: what is enforced, derived and held, and what to do.")
def inspect(  # noqa: PLR0913  # one argument for each option of the command
    pid: Pids = None,
    self_only: SelfOnly = False,
    root: Root = "/",
    format_: Format = "table",
    metrics_url: Annotated[
        str | None,
        typer.Option(
            "--metrics-url", envvar="CGTUNE_METRICS_URL", metavar="URL", help="The Go program's own Prometheus endpoint; needs one --pid."
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", envvar="CGTUNE_VERBOSE", help="Say by which steps each Go value is derived.")
    ] = False,
    rounding: Rounding = "ceil",
    min_procs: MinProcs = None,
    reserve_cpu: ReserveCpu = None,
    headroom: Headroom = None,
    outside: Outside = None,
    numbers: Numbers = None,
) -> None:
    """Report what the kernel enforces, what each Go runtime derives from it, and what it has at this moment.

    Limits are those of the whole chain of cgroups, with the file that says so. Without options: this container, then every Go process
    that can be seen.

    \b
    Examples:
      cgtune inspect
      cgtune inspect --pid 4242
      cgtune inspect --root /host --pid 4242 --format json
    """
    from cgtune import api
    from cgtune.advice.policy import parse_policy

    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    with Telling(LOOKING):
        report = api.inspect(pid or (), root=root, self_only=self_only, metrics_url=metrics_url, policy=policy)
    if format_ == "json":
        from cgtune.outputs.json import render_json

        emit(render_json(report))
    else:
        from cgtune.outputs.table import render_table

        emit(render_table(report, colour=_colour(), verbose=verbose))


@app.command(short_help="The Go processes that can be seen, one line each.")
def ps(  # noqa: PLR0913  # one argument for each option of the command
    root: Root = "/",
    format_: Format = "table",
    rounding: Rounding = "ceil",
    min_procs: MinProcs = None,
    reserve_cpu: ReserveCpu = None,
    headroom: Headroom = None,
    outside: Outside = None,
    numbers: Numbers = None,
) -> None:
    """List the Go processes of this machine or pod, one line each: what they have now, what they derive, what limits them.

    \b
    Examples:
      cgtune ps
      cgtune ps --root /host --format json
    """
    from cgtune import api
    from cgtune.advice.policy import parse_policy

    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    with Telling(LOOKING):
        report = api.list_go(root=root, policy=policy)
    if format_ == "json":
        from cgtune.outputs.json import render_json

        emit(render_json(report))
    else:
        from cgtune.outputs.ps import render_ps

        emit(render_ps(report))


@app.command(short_help="What a finding's rule means, and what to do.")
def explain(
    rule: Annotated[
        str | None, typer.Argument(metavar="[RULE]", help="The rule's id, as in a finding; without it, the list of all.")
    ] = None,
) -> None:
    """Say what a rule means, why it hurts, how to confirm it by hand, what to do, and where that is written.

    \b
    Examples:
      cgtune explain
      cgtune explain go-not-container-aware
    """
    from cgtune.outputs.explain import render_rule, render_rules
    from cgtune.rules import RULES, locate_rule

    emit(render_rules(RULES) if rule is None else render_rule(locate_rule(rule)))


@app.command(short_help="Record all that inspect reads, for a bug report or a test.")
def snapshot(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder to make, or a file that ends in .tar.gz; it must not exist yet.")],
    pid: Pids = None,
    self_only: SelfOnly = False,
    root: Root = "/",
) -> None:
    """Capture all that inspect reads for the chosen processes, for a bug report or a test; `cgtune inspect --root OUT` replays it.

    Environment values are redacted, all but those of Go's own variables (GOMAXPROCS, GOMEMLIMIT, GOGC, GODEBUG) and names made of them.
    Nothing else of a process's memory or files is kept than what inspect reads.

    \b
    Example:
      cgtune snapshot /tmp/stuck.tar.gz --pid 4242
    """
    from cgtune import api

    with Telling(LOOKING):
        api.snapshot(out, pid or (), root=root, self_only=self_only)
    emit(f"{out}\n")


app.command(short_help="The verdict, for probes, sidecars and pipelines.")(check)
app.command(short_help="Without a process: what each Go version would do.")(predict)
app.command(short_help="Keep looking: metrics, probes and the report over HTTP.")(serve)
app.command(short_help="Print or write an env file for another container.")(env)
# What follows the command is its own: `cgtune exec ls -l` needs no --
_EXEC = {"allow_interspersed_args": False}
app.command("exec", context_settings=_EXEC, short_help="Set the variables and become the command: an entrypoint.")(exec_)


def run(arguments: list[str]) -> int:
    """Run one command line; every failure is one line on stderr and an exit code of the contract."""
    try:
        code = _program(arguments)(args=arguments, prog_name="cgtune", standalone_mode=False)
    except UsageError as error:
        return _refuse(arguments, str(error), exits.USAGE)
    except CgtuneError as error:
        return _refuse(arguments, str(error), exits.COULD_NOT_INSPECT)
    except Exception as error:
        # Typer carries click inside from 0.20 on, outside before: its exceptions are known by what they can do, not by their class.
        if type(error).__name__ == "Abort":
            return exits.INTERRUPTED
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # no command at all: its message is the help
            complain(f"{message()}\n")
            return exits.USAGE
        return _refuse(arguments, f"{message()} ({_example(error) or _hint(arguments)})", exits.USAGE)
    return code if isinstance(code, int) else exits.CLEAN


def _hint(arguments: list[str]) -> str:
    """Where to read on after a command line that typer could not take."""
    if arguments[0].startswith("-"):
        return "options follow the command, as in cgtune inspect --pid 42; see cgtune --help"
    return "see cgtune --help" if _program(arguments) is app else f"see cgtune {arguments[0]} --help"


_EXAMPLES = {"PID": "42", "N": "4", "SECONDS": "30"}  # of the numbers that options take, by their metavar


def _example(error: Exception) -> str:
    """A right value for the option whose value was refused, empty where there is no telling."""
    option = getattr(error, "param", None)
    names: list[str] = getattr(option, "opts", [])
    choices = getattr(getattr(option, "type", None), "choices", ())
    value = _EXAMPLES.get(getattr(option, "metavar", None) or "") or (choices[0] if choices else "")
    return f"example: {names[0]} {value}" if names and value else ""


def _program(arguments: list[str]) -> typer.Typer:
    """The program with the one command that is wanted: typer would build all of them, at half the CPU time of a bare start."""
    for command in app.registered_commands:
        if arguments and command.callback is not None and (command.name or command.callback.__name__) == arguments[0]:
            program = copy.copy(app)
            program.registered_commands = [command]
            return program
    return app


def _refuse(arguments: list[str], message: str, code: int) -> int:
    """One line that says why; to a nagios daemon a command line that cannot be used is UNKNOWN too, and exec's codes are its own."""
    if arguments[:1] == ["exec"]:
        return fail(message, exits.EXEC_FAILED)
    if arguments[:1] != ["check"]:
        return fail(message, code)
    from cgtune.commands.check import parse_refused, refuse

    return refuse(message, code, *parse_refused(arguments, os.environ))


def _colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
