"""The options of ``cgtune predict``."""

from __future__ import annotations

from cgtune.commands.options.option import Command, choice, optional_choice, optional_text, optional_whole, texts
from cgtune.commands.options.shared import COLOR, POLICY, parse_chosen_policy
from cgtune.model import SEVERITIES
from cgtune.outputs import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Option, Values
    from cgtune.commands.upgrade import UpgradeOptions
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
FROM = optional_text("--from", "VERSION", "What changes if this Go is replaced by that of --to: 1.24.")
TO = optional_text("--to", "VERSION", "The Go that is to come: 1.27. It asks for what changes, one line a kind of service.")
INPUT = optional_text(
    "--input", "FILE", "With --to: services as CSV with a header, manifests, or pods of kubectl as JSON; - is standard input."
)
ROOT = optional_text("--root", "DIR", "With --to: each Go process below it, / or a recording made by cgtune snapshot.")
FAIL_ON: Option[Severity | None] = optional_choice(
    "--fail-on",
    SEVERITIES[::-1],
    "Exit with 1 for a finding so severe (with --to: a new one, or a change), and for a row that dies. Default: findings do not count.",
)
FORMAT = choice(
    "--format", names_of("predict"), "table, json, sarif, junit; with --to table, json (cgtune/upgrade/v1), csv, markdown.", default="table"
)


def upgrade_options(values: Values) -> UpgradeOptions:
    """What these values ask of an upgrade; raises UsageError."""
    from cgtune.commands.upgrade import UpgradeOptions

    return UpgradeOptions(
        new_go=values[TO],
        old_go=values[FROM],
        input=values[INPUT],
        root=values[ROOT],
        cpu_limit=values[CPU_LIMIT],
        memory_limit=values[MEMORY_LIMIT],
        cpu_request=values[CPU_REQUEST],
        cpus=values[CPUS],
        cgroup=values[CGROUP],
        go=values[GO],
        language=values[LANGUAGE],
        binary=values[BINARY],
        env=values[ENV],
        policy=parse_chosen_policy(values),
        fail_on=values[FAIL_ON],
        format=values[FORMAT],
        color=values[COLOR],
    )


def _run(values: Values) -> int:
    """Say what each Go version would do under these limits, beside what is recommended; no process is needed.

    `stalls` is the worst case: how long all threads wait in each period of the quota when that many of them are busy.

    \b
    Examples:
      cgtune predict --cpu-limit 2.5 --cpus 64
      cgtune predict --cpu-limit 500m --memory-limit 256Mi --binary ./server
      cgtune predict --from 1.24 --to 1.27 --cpus 64 --input services.csv
    """
    if any(values[option] is not None for option in (FROM, TO, INPUT, ROOT)):
        from cgtune.commands.upgrade import run_upgrade

        return run_upgrade(upgrade_options(values))
    from cgtune import api
    from cgtune.commands.predict import require_format, show_prediction

    require_format(values[FORMAT])

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
    options=(
        CPU_LIMIT,
        CPUS,
        MEMORY_LIMIT,
        CPU_REQUEST,
        GO,
        LANGUAGE,
        ENV,
        CGROUP,
        BINARY,
        FROM,
        TO,
        INPUT,
        ROOT,
        *POLICY,
        FAIL_ON,
        FORMAT,
        COLOR,
    ),
    run=_run,
)
