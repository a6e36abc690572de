"""The options of ``cgtune predict``."""

from __future__ import annotations

from cgtune.commands.options.option import Command, choice, optional_choice, optional_text, optional_whole, texts
from cgtune.commands.options.shared import COLOR, POLICY, parse_chosen_policy
from cgtune.model import SEVERITIES
from cgtune.outputs import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Option, Values
    from cgtune.model import Severity

CPU_LIMIT = optional_text(
    "--cpu-limit", "CPUS", 'The CPU limit: 2.5, 2500m, or quota and period in µs as cpu.max has them, "250000 100000". Default: none.'
)
CPUS = optional_whole("--cpus", "N", "The CPUs of the node, or of the cpuset. Default: this machine's.")
MEMORY_LIMIT = optional_text("--memory-limit", "BYTES", "The memory limit: 512Mi, 1.5Gi. Default: none.")
CPU_REQUEST = optional_text("--cpu-request", "CPUS", "The CPU request, which limits nothing: 250m.")
GO = optional_text("--go", "VERSIONS", "Go versions, one row each: 1.21,1.24.5,1.27. Default: 1.24 to 1.27.")
LANGUAGE = optional_text(
    "--language",
    "VERSION",
    "The go line of the main module's go.mod (of go.work, if there is one): 1.24. Default: as new as each Go version.",
)
ENV = texts("--env", "NAME=VALUE", "A variable of its environment; may be given several times.")
CGROUP = choice("--cgroup", ("v1", "v2"), "The cgroup version: Go 1.25 finds no limit in a container on v1.", default="v2")
BINARY = optional_text("--binary", "FILE", "A Go program on disk, which tells its own version and settings.")
FAIL_ON: Option[Severity | None] = optional_choice(
    "--fail-on", SEVERITIES[::-1], "Exit with 1 for a finding so severe, and for a row that dies. Default: findings do not count."
)
FORMAT = choice("--format", names_of("predict"), "A table for people, JSON (cgtune/predict/v1) for scripts.", default="table")


def _run(values: Values) -> int:
    """Say what each Go version would do under these limits, beside what is recommended; no process is needed.

    `stalls` is the worst case: how long all threads wait in each period of the quota when that many of them are busy.

    \b
    Examples:
      cgtune predict --cpu-limit 2.5 --cpus 64
      cgtune predict --cpu-limit 500m --memory-limit 256Mi --binary ./server
    """
    from cgtune import api
    from cgtune.commands.predict import show_prediction

    prediction = api.predict(
        cpu_limit=values[CPU_LIMIT],
        cpus=values[CPUS],
        memory_limit=values[MEMORY_LIMIT],
        cpu_request=values[CPU_REQUEST],
        go=values[GO],
        language=values[LANGUAGE],
        env=values[ENV],
        cgroup=values[CGROUP],
        binary=values[BINARY],
        policy=parse_chosen_policy(values),
    )
    return show_prediction(prediction, format_=values[FORMAT], colour=values[COLOR], fail_on=values[FAIL_ON])


COMMAND = Command(
    summary="Without a process: what each Go version would do.",
    options=(CPU_LIMIT, CPUS, MEMORY_LIMIT, CPU_REQUEST, GO, LANGUAGE, ENV, CGROUP, BINARY, *POLICY, FAIL_ON, FORMAT, COLOR),
    run=_run,
)
