"""The options that several commands share: those of the policy behind recommended values."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

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
Outside = Annotated[
    str | None,
    typer.Option(
        "--outside",
        envvar="CGTUNE_OUTSIDE",
        metavar="BYTES",
        help="Memory under the limit that Go does not manage (cgo, sidecars, tmpfs), instead of what is measured: 64Mi.",
    ),
]
