"""The options of ``cgtune fleet``."""

from __future__ import annotations

from cgtune.commands.fleet import FleetOptions, run_fleet
from cgtune.commands.options.meant import NAMESPACES
from cgtune.commands.options.option import Command, choice, flag, optional_choice, optional_number, optional_text, optional_whole, text
from cgtune.commands.options.shared import COLOR, IGNORE, POLICY, parse_chosen_policy
from cgtune.errors import UsageError
from cgtune.model import FAIL_ON as FAILS
from cgtune.outputs import names_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Option, Values
    from cgtune.model import FailOn

PROMETHEUS = optional_text(
    "--prometheus", "URL", "The Prometheus, Thanos, Mimir or VictoriaMetrics: http://prometheus:9090, or with the path before /api/v1."
)
LAST = text("--last", "DURATION", "How far back the history goes: 1d, 7d, 36h.", default="7d")
NAMESPACE = NAMESPACES.replace(help="Just this namespace; may be given several times. Default: all.", complete=None)
SELECTOR = optional_text("--selector", "MATCHERS", "Matchers that all series must meet, as PromQL has them: 'cluster=\"eu1\"'.")
DOCTOR = flag("--doctor", "Ask two questions only: what does the monitoring lack for a whole report, and which line mends it?")
FORMAT = choice("--format", names_of("fleet"), "How to say it; JSON is cgtune/fleet/v1, html is one page that sorts.", default="table")
TOP = optional_whole("--top", "N", "The N worst rows of the table alone.", least=1)
PATCH: Option[str | None] = optional_choice(
    "--patch", ("kustomize", "helm"), "Instead of the report: the change of each workload, as patches or as values, with the reasons."
)
OUTPUT = optional_text("--output", "DIR", "With --patch: write a file for each workload into this folder, which is there.")
DIFF = optional_text("--diff", "FILE", "What got better or worse since the report that FILE has in JSON.")
FAIL_ON: Option[FailOn | None] = optional_choice(
    "--fail-on", FAILS, "Exit with 1 for a finding so severe (harm: for what hurts now); with --diff: for a new or worse one."
)
CONCURRENCY = optional_whole("--concurrency", "N", "How many questions are asked side by side. Default: 2.", least=1)
MAX_LOAD = optional_number(
    "--max-load", "SHARE", "Spread the questions: on average no more than so many run at a time, as 0.1. Default: no pauses."
)
TOKEN_FILE = optional_text("--token-file", "FILE", "A bearer token. Without it: CGTUNE_PROMETHEUS_TOKEN, if that is set.")
BASIC_FILE = optional_text("--basic-file", "FILE", "user:password for basic authentication.")
HEADERS_FILE = optional_text("--headers-file", "FILE", "Headers to send, a line Name: value each.")
TENANT = optional_text("--tenant", "NAME", "Whose series, if the server has several tenants: X-Scope-OrgID and THANOS-TENANT.")
CA_FILE = optional_text("--ca-file", "FILE", "The certificates (PEM) that the server's is verified with. Default: the system's.")
CERT_FILE = optional_text("--cert-file", "FILE", "Our own certificate (PEM), for a server that asks for one.")
KEY_FILE = optional_text("--key-file", "FILE", "Its key, if that is not in the same file.")
SIGV4_REGION = optional_text("--sigv4-region", "REGION", "Sign for Amazon's managed Prometheus in this region; needs botocore.")

_NO_NAME = frozenset("*?|()[]{}^$+,\\\"'")  # as of a pattern, which is not taken for one
_LEAST_WINDOW_SECONDS, _MOST_WINDOW_SECONDS = 600.0, 400 * 86400.0


def fleet_options(values: Values) -> FleetOptions:
    """What these values ask for; raises UsageError."""
    from cgtune.advice.quantities import parse_duration

    url, load = values[PROMETHEUS], values[MAX_LOAD]
    if url is None:
        raise UsageError("which server? name it with --prometheus http://prometheus:9090, or in CGTUNE_PROMETHEUS")
    if load is not None and not 0 < load <= 100:  # NaN is neither
        raise UsageError(f"--max-load {load:g} is no number of questions that may run at a time; example: --max-load 0.1")
    for name in values[NAMESPACE]:
        if not name or any(letter in _NO_NAME or letter.isspace() for letter in name):
            raise UsageError(f"--namespace {name!r} is no name; give each one whole, as in --namespace shop --namespace pay")
    window = parse_duration(
        values[LAST], "--last", least_seconds=_LEAST_WINDOW_SECONDS, most_seconds=_MOST_WINDOW_SECONDS, examples=("7d", "36h")
    )
    return FleetOptions(
        url=url,
        token_file=values[TOKEN_FILE],
        basic_file=values[BASIC_FILE],
        headers_file=values[HEADERS_FILE],
        tenant=values[TENANT],
        ca_file=values[CA_FILE],
        cert_file=values[CERT_FILE],
        key_file=values[KEY_FILE],
        sigv4_region=values[SIGV4_REGION],
        window_seconds=int(window),
        namespaces=values[NAMESPACE],
        selector=values[SELECTOR],
        concurrency=values[CONCURRENCY] or 2,
        max_load=load,
        doctor=values[DOCTOR],
        format=values[FORMAT],
        top=values[TOP],
        patch=values[PATCH],
        output=values[OUTPUT],
        diff=values[DIFF],
        fail_on=values[FAIL_ON],
        ignore=values[IGNORE],
        policy=parse_chosen_policy(values),
        color=values[COLOR],
    )


def _run(values: Values) -> int:
    """Every Go service of a cluster from the Prometheus that is already there, the worst harm first: at most 23 grouped questions.

    Secrets come from files and variables, never from the command line. A workload that is younger than a day gets no limits.

    \b
    Examples:
      cgtune fleet --prometheus http://localhost:9090 --top 20
      cgtune fleet --prometheus https://thanos.example --namespace shop --format html > shop.html
      cgtune fleet --prometheus http://localhost:9090 --doctor
      cgtune fleet --prometheus http://localhost:9090 --patch kustomize --output deploy/cgtune
      cgtune fleet --prometheus http://localhost:9090 --diff last-week.json --fail-on warning
    """
    return run_fleet(fleet_options(values))


COMMAND = Command(
    summary="Every Go service of a cluster, from its Prometheus.",
    options=(
        *(PROMETHEUS, LAST, NAMESPACE, SELECTOR, DOCTOR, FORMAT, TOP, PATCH, OUTPUT, DIFF, FAIL_ON, IGNORE, CONCURRENCY, MAX_LOAD),
        *(TOKEN_FILE, BASIC_FILE, HEADERS_FILE, TENANT, CA_FILE, CERT_FILE, KEY_FILE, SIGV4_REGION, COLOR, *POLICY),
    ),
    run=_run,
)
