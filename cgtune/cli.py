"""The face: options in, text and exit code out."""

from __future__ import annotations

import copy
import os
import sys
from typing import Annotated, Literal

import typer

from cgtune.cli_check import check
from cgtune.cli_env import env
from cgtune.cli_exec import exec_
from cgtune.cli_options import Headroom, MinProcs, Numbers, Outside, Pids, ReserveCpu, Root, Rounding, SelfOnly  # noqa: TC001  # typer reads them
from cgtune.cli_predict import predict
from cgtune.cli_serve import serve
from cgtune.errors import CgtuneError, UsageError
from cgtune.terminal import EXIT_CLEAN, EXIT_COULD_NOT_INSPECT, EXIT_EXEC_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, emit, fail

app = typer.Typer(
    name="cgtune",
    help="What the kernel enforces on a process in a container, what its Go runtime derives from that, and what it really has.",
    epilog="Exit codes: 0 clean, 1 a finding (check), 2 usage error, 3 could not inspect, 130 interrupted.",
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


@app.command()
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

    Examples: `cgtune inspect` · `cgtune inspect --pid 4242` · `cgtune inspect --root /host --pid 4242 --format json`
    """
    from cgtune import api
    from cgtune.policy import parse_policy

    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    report = api.inspect(pid or (), root=root, self_only=self_only, metrics_url=metrics_url, policy=policy)
    if format_ == "json":
        from cgtune.outputs.json import render_json

        emit(render_json(report))
    else:
        from cgtune.outputs.table import render_table

        emit(render_table(report, colour=_colour(), verbose=verbose))


@app.command()
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

    Examples: `cgtune ps` · `cgtune ps --root /host --format json`
    """
    from cgtune import api
    from cgtune.policy import parse_policy

    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    report = api.list_go(root=root, policy=policy)
    if format_ == "json":
        from cgtune.outputs.json import render_json

        emit(render_json(report))
    else:
        from cgtune.outputs.ps import render_ps

        emit(render_ps(report))


@app.command()
def explain(
    rule: Annotated[
        str | None, typer.Argument(metavar="[RULE]", help="The rule's id, as in a finding; without it, the list of all.")
    ] = None,
) -> None:
    """Say what a rule means, why it hurts, how to confirm it by hand, what to do, and where that is written.

    Examples: `cgtune explain` · `cgtune explain go-not-container-aware`
    """
    from cgtune.outputs.explain import render_rule, render_rules
    from cgtune.rules import RULES, locate_rule

    emit(render_rules(RULES) if rule is None else render_rule(locate_rule(rule)))


@app.command()
def snapshot(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder to make, or a file that ends in .tar.gz; it must not exist yet.")],
    pid: Pids = None,
    self_only: SelfOnly = False,
    root: Root = "/",
) -> None:
    """Capture all that inspect reads for the chosen processes, for a bug report or a test; `cgtune inspect --root OUT` replays it.

    Environment values are redacted, all but those of GO* and *GOMAXPROCS*-like variables. Nothing else of a process's memory or files
    is kept than what inspect reads.

    Example: `cgtune snapshot /tmp/stuck.tar.gz --pid 4242`
    """
    from cgtune import api

    api.snapshot(out, pid or (), root=root, self_only=self_only)
    emit(f"{out}\n")


app.command()(check)
app.command()(predict)
app.command()(serve)
app.command()(env)
# What follows the command is its own: `cgtune exec ls -l` needs no --
app.command("exec", context_settings={"allow_interspersed_args": False})(exec_)


def run(arguments: list[str]) -> int:
    """Run one command line; every failure is one line on stderr and an exit code of the contract."""
    try:
        code = _program(arguments)(args=arguments, prog_name="cgtune", standalone_mode=False)
    except UsageError as error:
        return _refuse(arguments, str(error), EXIT_USAGE)
    except CgtuneError as error:
        return _refuse(arguments, str(error), EXIT_COULD_NOT_INSPECT)
    except Exception as error:
        # Typer carries click inside from 0.20 on, outside before: its exceptions are known by what they can do, not by their class.
        if type(error).__name__ == "NoArgsIsHelpError":
            return EXIT_USAGE
        if type(error).__name__ == "Abort":
            return EXIT_INTERRUPTED
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        context = getattr(error, "ctx", None)
        hint = _example(error) or f"see {context.command_path if context else 'cgtune'} --help"
        return _refuse(arguments, f"{message()} ({hint})", EXIT_USAGE)
    return code if isinstance(code, int) else EXIT_CLEAN


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
        return fail(message, EXIT_EXEC_FAILED)
    if arguments[:1] != ["check"]:
        return fail(message, code)
    from cgtune.check import is_nagios, refuse

    return refuse(message, code, *is_nagios(arguments, os.environ))


def _colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
