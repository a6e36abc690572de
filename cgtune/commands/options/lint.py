"""The options of ``cgtune lint``."""

from __future__ import annotations

from cgtune.commands.lint import LintOptions, run_lint
from cgtune.commands.options.option import Argument, Command, choice, flag, optional_text, texts
from cgtune.commands.options.shared import COLOR, IGNORE, POLICY, parse_chosen_policy
from cgtune.model import SEVERITIES
from cgtune.outputs import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cgtune.commands.options.option import Option, Values
    from cgtune.model import Severity

PATHS: Argument[tuple[str, ...]] = Argument(
    name="path",
    metavar="[PATH|-]...",
    help="Files and folders; - is standard input. Default: the current folder.",
    default=(),
    many=True,
)
FAIL_ON: Option[Severity] = choice(
    "--fail-on", tuple(reversed(SEVERITIES)), "The least severity that makes the exit code 1. All findings are shown.", default="warning"
)
FORMAT = choice("--format", names_of("lint"), "How to say it. What was counted and skipped is said on stderr.", default="text")
PEDANTIC = flag("--pedantic", "Also what is a matter of taste, or right in most clusters.")
STATISTICS = flag("--statistics", "How often each rule speaks, instead of the findings.")
VERBOSE = flag("--verbose", "Also name what was skipped or not seen, and what was silenced in vain.", short="-v")
GO = texts(
    "--go",
    "[IMAGE=]VERSION",
    "Images that match IMAGE (* is anything) run Go of this VERSION: 'registry.example/*=1.24'; none: no Go. Without IMAGE: all that run "
    "some Go. May be repeated.",
)
IMAGE = texts(
    "--image",
    "[NAME=]PATH",
    "A local image (docker save, podman save, OCI layout), for containers of its name: its Go programs, variables and command count.",
)
BINARY = optional_text("--binary", "FILE", "The Go program that runs in the containers: it tells its own version and settings.")
CPUS = optional_text(
    "--node-cpus", "CPUS", "The node's allocatable CPUs: what a field reference gives if no limit is set. Default: not known."
)
MEMORY = optional_text("--node-memory", "BYTES", "The node's allocatable memory, likewise: 16Gi.")
CONFIG = optional_text(
    "--config", "FILE", "This cgtune.toml or pyproject.toml. Default: the nearest one, from the current folder up to the repository's root."
)
BASELINE = optional_text("--baseline", "FILE", "Leave out the findings that FILE knows, by object, container and rule.")
WRITE_BASELINE = optional_text("--write-baseline", "FILE", "Write the findings of now into FILE, for --baseline, and stop.")
FIX = flag("--fix", "Mend in the files what can be mended without changing what the manifest means to say.")
UNSAFE_FIXES = flag("--unsafe-fixes", "Mend also what changes the values that the program gets.")
DIFF = flag("--diff", "Show what --fix (or --unsafe-fixes) would change, and change nothing.")
ALLOW_EMPTY = flag("--allow-empty", "No container in all of the input is no failure: for hooks that hand over whatever has changed.")

#: What a config may set: all that is not about one run.
CONFIGURED: tuple[Option[Any], ...] = (FAIL_ON, IGNORE, PEDANTIC, GO, CPUS, MEMORY, BASELINE, ALLOW_EMPTY, *POLICY)


def lint_options(values: Values) -> LintOptions:
    """What these values ask for, on top of the config; raises UsageError."""
    from cgtune.commands.options.config import read_config

    config = read_config(values[CONFIG], CONFIGURED)
    paths = {BASELINE.name: config.beside(config.given[BASELINE.name])} if BASELINE.name in config.given else {}
    values = values.above({**config.given, **paths})
    return LintOptions(
        paths=values[PATHS] or (".",),
        format=values[FORMAT],
        fail_on=values[FAIL_ON],
        ignore=values[IGNORE],
        pedantic=values[PEDANTIC],
        statistics=values[STATISTICS],
        verbose=values[VERBOSE],
        go=values[GO],
        binary=values[BINARY],
        image=values[IMAGE],
        node_cpus=values[CPUS],
        node_memory=values[MEMORY],
        by_path=config.by_path,
        folder=config.folder,
        baseline=values[BASELINE],
        write_baseline=values[WRITE_BASELINE],
        fixes=("safe", "unsafe") if values[UNSAFE_FIXES] else ("safe",) if values[FIX] or values[DIFF] else (),
        diff=values[DIFF],
        allow_empty=values[ALLOW_EMPTY],
        policy=parse_chosen_policy(values),
        color=values[COLOR],
    )


def _run(values: Values) -> int:
    """Judge limits and Go settings where they are written: manifests, Compose files, ECS task definitions, systemd units.

    Each finding names file, line and column, cause and act. Rules of live processes hold here too, and so does `cgtune explain RULE`.

    \b
    Examples:
      cgtune lint deploy/
      helm template chart | cgtune lint -
      cgtune lint --fix deploy/orders.yaml
      cgtune lint --write-baseline .cgtune-baseline.json && cgtune lint --baseline .cgtune-baseline.json
    """
    return run_lint(lint_options(values))


COMMAND = Command(
    summary="Judge limits and Go settings in manifests.",
    options=(
        *(FAIL_ON, IGNORE, PEDANTIC, FORMAT, STATISTICS, VERBOSE, GO, BINARY, IMAGE, CPUS, MEMORY, CONFIG, BASELINE, WRITE_BASELINE),
        *(FIX, UNSAFE_FIXES, DIFF, ALLOW_EMPTY, COLOR, *POLICY),
    ),
    argument=PATHS,
    run=_run,
)
