"""The options of ``cgtune check``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cgtune.commands.options.shared import (  # noqa: TC001  # typer reads them
    Headroom,
    Ignored,
    MinProcs,
    Numbers,
    Outside,
    Pids,
    ReserveCpu,
    Root,
    Rounding,
    SelfOnly,
)


def check(  # noqa: PLR0913  # one argument for each option of the command
    pid: Pids = None,
    self_only: SelfOnly = False,
    root: Root = "/",
    fail_on: Annotated[
        Literal["info", "warning", "critical"],
        typer.Option("--fail-on", envvar="CGTUNE_FAIL_ON", help="The least severity that fails; what is below it is not shown as text."),
    ] = "warning",
    ignore: Ignored = None,
    window: Annotated[
        float | None,
        typer.Option(
            "--window", envvar="CGTUNE_WINDOW", metavar="SECONDS", help="Watch the throttling for so long, instead of all that ever was."
        ),
    ] = None,
    format_: Annotated[
        Literal["text", "json", "sarif", "junit", "github", "nagios"],
        typer.Option("--format", envvar="CGTUNE_FORMAT", help="How to say it; text, github: nothing where all is well."),
    ] = "text",
    exit_style: Annotated[
        Literal["lint", "nagios"] | None,
        typer.Option(
            "--exit-style",
            envvar="CGTUNE_EXIT_STYLE",
            help="lint: 0, 1 failed, 2 usage, 3 could not look. nagios: 0, 1 warning, 2 critical, 3 unknown. Default: by the format.",
        ),
    ] = None,
    rounding: Rounding = "ceil",
    min_procs: MinProcs = None,
    reserve_cpu: ReserveCpu = None,
    headroom: Headroom = None,
    outside: Outside = None,
    numbers: Numbers = None,
) -> int:
    """Judge, for probes, sidecars and pipelines: silence and 0 where all is well, else each cause with what to do.

    Without options: this container, then every Go process that can be seen.

    \b
    Examples:
      cgtune check
      cgtune check --pid 4242 --window 30
      cgtune check --format sarif --fail-on critical
    """
    from cgtune.advice.policy import parse_policy
    from cgtune.commands.check import CheckOptions, run_check

    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    return run_check(
        CheckOptions(
            pids=tuple(pid or ()),
            self_only=self_only,
            root=root,
            format=format_,
            fail_on=fail_on,
            ignore=tuple(ignore or ()),
            exit_style=exit_style,
            window_seconds=window,
            policy=policy,
        )
    )
