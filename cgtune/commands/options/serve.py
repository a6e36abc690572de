"""The options of ``cgtune serve``."""

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
    Rounding,
)


def serve(  # noqa: PLR0913  # one argument for each option of the command
    listen: Annotated[
        str | None,
        typer.Option("--listen", envvar="CGTUNE_LISTEN", metavar="HOST:PORT", help="Where to answer over HTTP. Default: 127.0.0.1:9464."),
    ] = None,
    interval: Annotated[
        str, typer.Option("--interval", envvar="CGTUNE_INTERVAL", metavar="DURATION", help="How often to look: 500ms, 15s, 1m.")
    ] = "15s",
    pid: Pids = None,
    root: Annotated[
        str,
        typer.Option("--root", envvar="CGTUNE_ROOT", metavar="DIR", help="The folder that holds proc/ and sys/: a node's, at /host."),
    ] = "/",
    fail_on: Annotated[
        Literal["info", "warning", "critical"],
        typer.Option("--fail-on", envvar="CGTUNE_FAIL_ON", help="The least severity that makes /check answer 503."),
    ] = "warning",
    ignore: Ignored = None,
    textfile: Annotated[
        str | None,
        typer.Option(
            "--textfile",
            envvar="CGTUNE_TEXTFILE",
            metavar="FILE.prom",
            help="Write this file for the node exporter instead of listening.",
        ),
    ] = None,
    log_format: Annotated[
        Literal["json", "text"],
        typer.Option("--log-format", envvar="CGTUNE_LOG_FORMAT", help="The log on stderr: one JSON object a line, or text for people."),
    ] = "json",
    rounding: Rounding = "ceil",
    min_procs: MinProcs = None,
    reserve_cpu: ReserveCpu = None,
    headroom: Headroom = None,
    outside: Outside = None,
    numbers: Numbers = None,
) -> None:
    """Keep looking at every Go process that can be seen, and serve metrics, probes and the report until SIGTERM.

    Answers /metrics, /healthz, /readyz, /report, /check and /.

    \b
    Examples:
      cgtune serve
      cgtune serve --root /host --listen :9464 --interval 30s
      cgtune serve --textfile /run/node/cgtune.prom
    """
    from cgtune.advice.policy import parse_policy
    from cgtune.advice.quantities import parse_duration
    from cgtune.errors import UsageError
    from cgtune.service.serve import DEFAULT_LISTEN, ServeOptions, run_serve

    if textfile is not None and listen is not None:
        raise UsageError("--textfile and --listen exclude each other: a file for the node exporter, or an address for Prometheus")
    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    run_serve(
        ServeOptions(
            listen=listen or DEFAULT_LISTEN,
            interval_seconds=parse_duration(interval, "--interval", least_seconds=0.1, most_seconds=3600.0),
            pids=tuple(pid or ()),
            root=root,
            fail_on=fail_on,
            ignore=tuple(ignore or ()),
            textfile=textfile,
            log_format=log_format,
            policy=policy,
        )
    )
