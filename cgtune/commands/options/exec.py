"""The options of ``cgtune exec``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cgtune.commands.options.shared import (  # noqa: TC001  # typer reads them
    Always,
    Headroom,
    MinProcs,
    Numbers,
    Outside,
    ReserveCpu,
    Rounding,
)


def exec_(  # noqa: PLR0913  # one argument for each option of the command
    command: Annotated[list[str], typer.Argument(metavar="[--] COMMAND [ARGS]...", help="The program to become, and its arguments.")],
    override: Annotated[
        bool, typer.Option("--override", envvar="CGTUNE_OVERRIDE", help="Replace what is set already; else it stays as it is.")
    ] = False,
    always: Always = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="CGTUNE_DRY_RUN", help="Print the variables that would be set, and start nothing.")
    ] = False,
    log_format: Annotated[
        Literal["text", "json"],
        typer.Option("--log-format", envvar="CGTUNE_LOG_FORMAT", help="The one line on standard error, for people or for a log collector."),
    ] = "text",
    root: Annotated[
        str, typer.Option("--root", envvar="CGTUNE_ROOT", metavar="DIR", help="The folder that holds proc/ and sys/, if not /.")
    ] = "/",
    rounding: Rounding = "ceil",
    min_procs: MinProcs = None,
    reserve_cpu: ReserveCpu = None,
    headroom: Headroom = None,
    outside: Outside = None,
    numbers: Numbers = None,
) -> int:
    """Set GOMAXPROCS and GOMEMLIMIT to fit this container's limits, where they should be set, and become COMMAND: the same process, the
    same open files, nothing left behind.

    What is set already stays, unless --override; a Go program that does better by itself is left to it.

    Exit codes: the command's own; 125 cgtune could not be used so, 126 the command cannot be executed, 127 it was not found.

    \b
    Examples:
      cgtune exec -- /app/server --port 80
      cgtune exec --dry-run -- /app/server
    """
    from cgtune.advice.policy import parse_policy
    from cgtune.commands.exec import ExecOptions, run_exec

    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    return run_exec(
        ExecOptions(
            command=tuple(command),
            override=override,
            always=always,
            dry_run=dry_run,
            log_format=log_format,
            root=root,
            policy=policy,
        )
    )
