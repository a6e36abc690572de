"""The options of ``cgtune env``."""

from __future__ import annotations

from cgtune.commands.env import EnvOptions, run_env
from cgtune.commands.options.meant import WHOM, named_whom
from cgtune.commands.options.option import Command, choice, flag, optional_choice, optional_text, optional_whole, text
from cgtune.commands.options.shared import ALWAYS, POLICY, ROOT, SELF, parse_chosen_policy
from cgtune.outputs.envfile import DIALECTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Values

CPU_LIMIT = optional_text("--cpu-limit", "CPUS", "The container's CPU limit: 2.5, 2500m, or what Kubernetes fills in.")
MEMORY_LIMIT = optional_text("--memory-limit", "BYTES", "The container's memory limit: 512Mi, 536870912.")
CPU_REQUEST = optional_text("--cpu-request", "CPUS", "Its CPU request, which limits nothing: 250m.")
POD_CPU_LIMIT = optional_text("--pod-cpu-limit", "CPUS", "The pod's own CPU limit, if it has one.")
POD_MEMORY_LIMIT = optional_text("--pod-memory-limit", "BYTES", "The pod's own memory limit, if it has one.")
NODE_CPUS = optional_text("--node-cpus", "CPUS", "The node's allocatable CPUs. A limit as large means that none was set.")
NODE_MEMORY = optional_text("--node-memory", "BYTES", "The node's allocatable memory. A limit as large means that none was set.")
CPU_DIVISOR = optional_choice(
    "--cpu-divisor",
    ("1", "1m"),
    "The divisor that bare numbers of CPUs come from: 2500 is 2.5 CPUs with 1m. From 10 up it has to be named.",
)
MEMORY_DIVISOR = optional_text(
    "--memory-divisor", "DIVISOR", "The divisor that bare numbers of bytes come from: 1 or 1Mi; below 64 MiB it has to be named."
)
LIMITS = optional_text(
    "--limits", "DIR", "Take them from the files cpu-limit, memory-limit, ... of this folder, such as a downward API volume."
)
PID = optional_whole("--pid", "PID", "Take the limits that are enforced on this process.", least=1)
OWN = SELF.replace(help="Take the limits of this container, in which cgtune itself runs.")
PLACE = ROOT.replace(help="The folder that holds proc/ and sys/, for limits that are looked up.")
BINARY = optional_text("--binary", "FILE", "The Go program that will run there: whether it needs GOMAXPROCS at all.")
GO = optional_text("--go", "VERSION", "Its Go version instead: 1.24.")
LANGUAGE = optional_text("--language", "VERSION", "With --go: the go line of its go.mod. Default: as new as the Go version.")
CGROUP = optional_choice("--cgroup", ("v1", "v2"), "The cgroup version there: Go 1.25 finds no limit on v1. Default: this machine's.")
DIALECT = choice("--dialect", tuple(DIALECTS), "Who reads it. sh, systemd and compose read kubernetes too.", default="kubernetes")
OUTPUT = optional_text("--output", "FILE", "Write this file, whole or not at all, instead of printing.")
MODE = text("--mode", "MODE", "The permissions of that file.", default="0644")
WATCH = flag("--watch", "Write the --output again whenever its values change, until SIGTERM.")


def env_options(values: Values) -> EnvOptions:
    """What these values ask for; raises UsageError."""
    return EnvOptions(
        cpu_limit=values[CPU_LIMIT],
        memory_limit=values[MEMORY_LIMIT],
        cpu_request=values[CPU_REQUEST],
        pod_cpu_limit=values[POD_CPU_LIMIT],
        pod_memory_limit=values[POD_MEMORY_LIMIT],
        node_cpus=values[NODE_CPUS],
        node_memory=values[NODE_MEMORY],
        cpu_divisor=values[CPU_DIVISOR],
        memory_divisor=values[MEMORY_DIVISOR],
        pid=values[PID],
        self_only=values[OWN],
        whom=named_whom(values),
        root=values[PLACE],
        binary=values[BINARY],
        go=values[GO],
        language=values[LANGUAGE],
        cgroup=values[CGROUP],
        always=values[ALWAYS],
        dialect=values[DIALECT],
        output=values[OUTPUT],
        mode=values[MODE],
        limits=values[LIMITS],
        policy=parse_chosen_policy(values),
    )


def _run(values: Values) -> int:
    """Print or write GOMAXPROCS and GOMEMLIMIT for another container: those that should be set, each with a comment why.

    An init container's own limits say nothing about the app's: name the app's, or have Kubernetes fill them in.

    \b
    Examples:
      cgtune env --cpu-limit 2.5 --memory-limit 512Mi --go 1.24
      cgtune env --self --dialect sh
      cgtune env --pod web-5d4f8c7b9d-x2vlq --container app
      cgtune env --limits /limits --go 1.27 --output /env/go.env --watch
    """
    options = env_options(values)
    if not values[WATCH]:
        return run_env(options)
    from cgtune.commands.watch import run_watch

    return run_watch(options)


COMMAND = Command(
    summary="Print or write an env file for another container.",
    options=(
        *(CPU_LIMIT, MEMORY_LIMIT, CPU_REQUEST, POD_CPU_LIMIT, POD_MEMORY_LIMIT, NODE_CPUS, NODE_MEMORY, CPU_DIVISOR, MEMORY_DIVISOR),
        *(LIMITS, PID, *WHOM, OWN, PLACE, BINARY, GO, LANGUAGE, CGROUP, ALWAYS, DIALECT, OUTPUT, MODE, WATCH, *POLICY),
    ),
    run=_run,
)
