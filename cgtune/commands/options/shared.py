"""The options that several commands share: whom to look at, and the policy behind recommended values."""

from __future__ import annotations

from cgtune.commands.options.option import choice, flag, optional_number, optional_text, optional_whole, text, texts, wholes
from cgtune.model import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cgtune.commands.options.option import Option, Values

PIDS = wholes("--pid", "PID", "Just this process, Go or not; may be given several times.", least=1, complete="pid")
SELF = flag("--self", "This container only (cgtune's own process stands for it).")
ROOT = text(
    "--root",
    "DIR",
    "The folder that holds proc/ and sys/: a node's, mounted at /host, or a recording made by cgtune snapshot.",
    default="/",
)
METRICS_URL = optional_text("--metrics-url", "URL", "The Go program's own Prometheus endpoint; needs one --pid.")
SERVE_URL = optional_text(
    "--serve-url",
    "URL",
    "A cgtune serve to ask which kills it remembers: http://127.0.0.1:9464, or its --textfile, FILE.prom.",
)
MACHINERY = flag("--machinery", "The node's own machinery too: kubelet, container engines, their shims, runc.")
WINDOW = optional_number("--window", "SECONDS", "Look twice, so far apart, and tell what happened in between: CPU used, stops, waits.")
IGNORE = texts("--ignore", "RULE", "Leave this rule's findings out; may be given several times.", complete="rule")
COLOR = choice(
    "--color",
    ("auto", "always", "never"),
    "Colours in text: auto is for a terminal alone, unless NO_COLOR or FORCE_COLOR decides.",
    default="auto",
)
ALWAYS = flag("--always", "Set GOMAXPROCS even if the runtime comes to it by itself.")

ROUNDING = choice(
    "--rounding",
    ("slack", "ceil", "floor"),
    "How GOMAXPROCS is made of a CPU limit: its whole CPUs and one more; rounded up, as Go does it; or rounded down.",
    default="slack",
)
MIN_PROCS = optional_whole("--min-procs", "N", "The least GOMAXPROCS to recommend. Default: 2, with --rounding floor 1.")
RESERVE_CPU = optional_text("--reserve-cpu", "CPUS", "CPUs of the limit that are kept for others: 0.5 or 500m.")
HEADROOM = optional_text(
    "--headroom",
    "PERCENT",
    "The share of the memory limit that GOMEMLIMIT keeps free. Default: 10 %, or 4 % if the rest was measured.",
)
OUTSIDE = optional_text(
    "--outside",
    "BYTES",
    "Memory under the limit that Go does not manage (cgo, sidecars, tmpfs), instead of what is measured: 64Mi.",
)
NUMBERS = texts(
    "--policy",
    "NAME=VALUE",
    "Another number behind the values, as smallest-limit=32Mi (docs/advice.md has all); may be given several times.",
)
POLICY: tuple[Option[Any], ...] = (ROUNDING, MIN_PROCS, RESERVE_CPU, HEADROOM, OUTSIDE, NUMBERS)


def parse_chosen_policy(values: Values) -> Policy:
    """The policy that the options of POLICY ask for; raises UsageError."""
    if all(values[option] == option.default for option in POLICY):
        return Policy()
    from cgtune.advice.policy import parse_policy

    return parse_policy(
        rounding=values[ROUNDING],
        min_procs=values[MIN_PROCS],
        reserve_cpu=values[RESERVE_CPU],
        headroom=values[HEADROOM],
        outside=values[OUTSIDE],
        numbers=values[NUMBERS],
    )
