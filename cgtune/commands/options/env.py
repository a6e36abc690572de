"""The options of ``cgtune env``."""

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


def _text(name: str, metavar: str, words: str) -> typer.models.OptionInfo:
    twin = f"CGTUNE_{name.replace('-', '_').upper()}"
    option: typer.models.OptionInfo = typer.Option(f"--{name}", envvar=twin, metavar=metavar, help=words)
    return option


def env(  # noqa: PLR0913  # one argument for each option of the command
    cpu_limit: Annotated[
        str | None, _text("cpu-limit", "CPUS", "The container's CPU limit: 2.5, 2500m, or what Kubernetes fills in.")
    ] = None,
    memory_limit: Annotated[str | None, _text("memory-limit", "BYTES", "The container's memory limit: 512Mi, 536870912.")] = None,
    cpu_request: Annotated[str | None, _text("cpu-request", "CPUS", "Its CPU request, which limits nothing: 250m.")] = None,
    pod_cpu_limit: Annotated[str | None, _text("pod-cpu-limit", "CPUS", "The pod's own CPU limit, where it has one.")] = None,
    pod_memory_limit: Annotated[str | None, _text("pod-memory-limit", "BYTES", "The pod's own memory limit, where it has one.")] = None,
    node_cpus: Annotated[
        str | None, _text("node-cpus", "CPUS", "The node's allocatable CPUs. A limit as large means that none was set.")
    ] = None,
    node_memory: Annotated[
        str | None, _text("node-memory", "BYTES", "The node's allocatable memory. A limit as large means that none was set.")
    ] = None,
    cpu_divisor: Annotated[
        Literal["1", "1m"] | None,
        typer.Option(
            "--cpu-divisor",
            envvar="CGTUNE_CPU_DIVISOR",
            help="The divisor that bare numbers of CPUs come from: 2500 is 2.5 CPUs with 1m. From 10 up it has to be named.",
        ),
    ] = None,
    memory_divisor: Annotated[
        str | None,
        _text("memory-divisor", "DIVISOR", "The divisor that bare numbers of bytes come from: 1 or 1Mi; below 64 MiB it has to be named."),
    ] = None,
    pid: Annotated[
        int | None,
        typer.Option("--pid", envvar="CGTUNE_PID", min=1, metavar="PID", help="Take the limits that are enforced on this process."),
    ] = None,
    self_only: Annotated[
        bool, typer.Option("--self", envvar="CGTUNE_SELF", help="Take the limits of this container, in which cgtune itself runs.")
    ] = False,
    root: Annotated[
        str,
        typer.Option("--root", envvar="CGTUNE_ROOT", metavar="DIR", help="The folder that holds proc/ and sys/, for --pid or --self."),
    ] = "/",
    binary: Annotated[
        str | None, _text("binary", "FILE", "The Go program that will run there: whether it needs GOMAXPROCS at all.")
    ] = None,
    go: Annotated[str | None, _text("go", "VERSION", "Its Go version instead: 1.24.")] = None,
    language: Annotated[
        str | None, _text("language", "VERSION", "With --go: the go line of its go.mod. Default: as new as the Go version.")
    ] = None,
    cgroup: Annotated[
        Literal["v1", "v2"] | None,
        typer.Option(
            "--cgroup", envvar="CGTUNE_CGROUP", help="The cgroup version there: Go 1.25 finds no limit on v1. Default: this machine's."
        ),
    ] = None,
    always: Always = False,
    dialect: Annotated[
        Literal["kubernetes", "sh", "docker", "systemd", "compose", "json", "yaml", "github"],
        typer.Option("--dialect", envvar="CGTUNE_DIALECT", help="Who reads it. sh, systemd and compose read kubernetes too."),
    ] = "kubernetes",
    output: Annotated[str | None, _text("output", "FILE", "Write this file, whole or not at all, instead of printing.")] = None,
    mode: Annotated[str, _text("mode", "MODE", "The permissions of that file.")] = "0644",
    rounding: Rounding = "ceil",
    min_procs: MinProcs = None,
    reserve_cpu: ReserveCpu = None,
    headroom: Headroom = None,
    outside: Outside = None,
    numbers: Numbers = None,
) -> int:
    """Print or write GOMAXPROCS and GOMEMLIMIT for another container: those that should be set, each with a comment why.

    An init container's own limits say nothing about the app's: name the app's, or have Kubernetes fill them in.

    \b
    Examples:
      cgtune env --cpu-limit 2.5 --memory-limit 512Mi --go 1.24
      cgtune env --self --dialect sh
    """
    from cgtune.advice.policy import parse_policy
    from cgtune.commands.env import EnvOptions, run_env

    policy = parse_policy(
        rounding=rounding, min_procs=min_procs, reserve_cpu=reserve_cpu, headroom=headroom, outside=outside, numbers=numbers
    )
    return run_env(
        EnvOptions(
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
            cpu_request=cpu_request,
            pod_cpu_limit=pod_cpu_limit,
            pod_memory_limit=pod_memory_limit,
            node_cpus=node_cpus,
            node_memory=node_memory,
            cpu_divisor=cpu_divisor,
            memory_divisor=memory_divisor,
            pid=pid,
            self_only=self_only,
            root=root,
            binary=binary,
            go=go,
            language=language,
            cgroup=cgroup,
            always=always,
            dialect=dialect,
            output=output,
            mode=mode,
            policy=policy,
        )
    )
