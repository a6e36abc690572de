"""The face of ``cgtune predict``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cgtune.commands.options.shared import Headroom, MinProcs, Numbers, Outside, ReserveCpu, Rounding  # noqa: TC001  # typer reads them


def predict(  # noqa: PLR0913  # one argument for each option of the command
    cpu_limit: Annotated[
        str | None,
        typer.Option(
            "--cpu-limit",
            envvar="CGTUNE_CPU_LIMIT",
            metavar="CPUS",
            help='The CPU limit: 2.5, 2500m, or quota and period in µs as cpu.max has them, "250000 100000". Default: none.',
        ),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option("--cpus", envvar="CGTUNE_CPUS", metavar="N", help="The CPUs of the node, or of the cpuset. Default: this machine's."),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit", envvar="CGTUNE_MEMORY_LIMIT", metavar="BYTES", help="The memory limit: 512Mi, 1.5Gi. Default: none."
        ),
    ] = None,
    cpu_request: Annotated[
        str | None,
        typer.Option("--cpu-request", envvar="CGTUNE_CPU_REQUEST", metavar="CPUS", help="The CPU request, which limits nothing: 250m."),
    ] = None,
    go: Annotated[
        str | None,
        typer.Option(
            "--go", envvar="CGTUNE_GO", metavar="VERSIONS", help="Go versions, one row each: 1.21,1.24.5,1.27. Default: 1.24 to 1.27."
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            envvar="CGTUNE_LANGUAGE",
            metavar="VERSION",
            help="The go line of the main module's go.mod (of go.work, where there is one): 1.24. Default: as new as each Go version.",
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", envvar="CGTUNE_ENV", metavar="NAME=VALUE", help="A variable of its environment; may be given several times."),
    ] = None,
    cgroup: Annotated[
        Literal["v1", "v2"],
        typer.Option("--cgroup", envvar="CGTUNE_CGROUP", help="The cgroup version: Go 1.25 finds no limit in a container on v1."),
    ] = "v2",
    binary: Annotated[
        str | None,
        typer.Option(
            "--binary", envvar="CGTUNE_BINARY", metavar="FILE", help="A Go program on disk, which tells its own version and settings."
        ),
    ] = None,
    rounding: Rounding = "ceil",
    min_procs: MinProcs = None,
    reserve_cpu: ReserveCpu = None,
    headroom: Headroom = None,
    outside: Outside = None,
    numbers: Numbers = None,
    format_: Annotated[
        Literal["table", "json"],
        typer.Option("--format", envvar="CGTUNE_FORMAT", help="A table for people, JSON (cgtune/predict/v1) for scripts."),
    ] = "table",
) -> None:
    """Say what each Go version would do under these limits, beside what is recommended; no process is needed.

    `stalls` is the worst case: how long all threads wait in each period of the quota when that many of them are busy.

    \b
    Examples:
      cgtune predict --cpu-limit 2.5 --cpus 64
      cgtune predict --cpu-limit 500m --memory-limit 256Mi --binary ./server
    """
    from cgtune import api
    from cgtune.advice.policy import parse_policy
    from cgtune.commands.terminal import emit

    prediction = api.predict(
        cpu_limit=cpu_limit,
        cpus=cpus,
        memory_limit=memory_limit,
        cpu_request=cpu_request,
        go=go,
        language=language,
        env=env or (),
        cgroup=cgroup,
        binary=binary,
        policy=parse_policy(
            rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
        ),
    )
    if format_ == "json":
        from cgtune.outputs.predict import render_predict_json

        emit(render_predict_json(prediction))
    else:
        from cgtune.outputs.predict import render_predict

        emit(render_predict(prediction))
