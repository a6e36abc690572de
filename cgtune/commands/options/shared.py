"""The options that several commands share: whom to look at, and the policy behind recommended values."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

Pids = Annotated[
    list[int] | None,
    typer.Option("--pid", envvar="CGTUNE_PID", min=1, metavar="PID", help="Just this process, Go or not; may be given several times."),
]
SelfOnly = Annotated[bool, typer.Option("--self", envvar="CGTUNE_SELF", help="This container only (cgtune's own process stands for it).")]
Root = Annotated[
    str,
    typer.Option(
        "--root",
        envvar="CGTUNE_ROOT",
        metavar="DIR",
        help="The folder that holds proc/ and sys/: a node's, mounted at /host, or a recording made by cgtune snapshot.",
    ),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore", envvar="CGTUNE_IGNORE", metavar="RULE", help="Leave this rule's findings out; may be given several times."),
]

Always = Annotated[
    bool, typer.Option("--always", envvar="CGTUNE_ALWAYS", help="Set GOMAXPROCS even where the runtime comes to it by itself.")
]
Rounding = Annotated[
    Literal["ceil", "floor"],
    typer.Option(
        "--rounding", envvar="CGTUNE_ROUNDING", help="How the recommended GOMAXPROCS is made of a fraction: up, as Go does it, or down."
    ),
]
MinProcs = Annotated[
    int | None,
    typer.Option(
        "--min-procs",
        envvar="CGTUNE_MIN_PROCS",
        metavar="N",
        help="The least GOMAXPROCS to recommend. Default: 2, with --rounding floor 1.",
    ),
]
ReserveCpu = Annotated[
    str | None,
    typer.Option(
        "--reserve-cpu", envvar="CGTUNE_RESERVE_CPU", metavar="CPUS", help="CPUs of the limit that are kept for others: 0.5 or 500m."
    ),
]
Headroom = Annotated[
    str | None,
    typer.Option(
        "--headroom",
        envvar="CGTUNE_HEADROOM",
        metavar="PERCENT",
        help="The share of the memory limit that GOMEMLIMIT keeps free. Default: 10 %, or 4 % where the rest was measured.",
    ),
]
Numbers = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        envvar="CGTUNE_POLICY",
        metavar="NAME=VALUE",
        help="Another number behind the values, as smallest-limit=32Mi (docs/advice.md has all); may be given several times.",
    ),
]
Outside = Annotated[
    str | None,
    typer.Option(
        "--outside",
        envvar="CGTUNE_OUTSIDE",
        metavar="BYTES",
        help="Memory under the limit that Go does not manage (cgo, sidecars, tmpfs), instead of what is measured: 64Mi.",
    ),
]
