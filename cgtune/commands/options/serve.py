"""The options of ``cgtune serve``."""

from __future__ import annotations

from cgtune.commands.options.option import Command, choice, flag, optional_text, text
from cgtune.commands.options.shared import IGNORE, MACHINERY, PIDS, POLICY, ROOT, parse_chosen_policy
from cgtune.model import FAIL_ON as FAILS, LABEL_SETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.commands.options.option import Option, Values
    from cgtune.model import FailOn, LabelSet
    from cgtune.service.serve import ServeOptions

LISTEN = optional_text("--listen", "HOST:PORT", "Where to answer over HTTP. Default: 127.0.0.1:9464.")
INTERVAL = text("--interval", "DURATION", "How often to look: 500ms, 15s, 1m.", default="15s")
NODE_ROOT = ROOT.replace(help="The folder that holds proc/ and sys/: a node's, at /host.")
FAIL_ON: Option[FailOn] = choice(
    "--fail-on", FAILS, "The least severity that makes /check answer 503, or harm: what hurts now.", default="warning"
)
TEXTFILE = optional_text("--textfile", "FILE.prom", "Write this file for the node exporter instead of listening.")
OTLP = optional_text("--otlp", "URL", "Send each report to this OpenTelemetry collector too, over OTLP/HTTP; needs cgtune[otlp].")
LABEL_SET: Option[LabelSet] = choice(
    "--label-set", LABEL_SETS, "What has series of metrics of its own: each process, container or workload.", default="pid"
)
LEAST_AGE = optional_text("--least-age", "DURATION", "How long a process must have lived to be in the metrics. Default: one interval.")
KERNEL_LOG = flag("--kernel-log", "Read in the kernel's log (/dev/kmsg) whom the OOM killer has killed; needs CAP_SYSLOG.")
LOG_FORMAT = choice("--log-format", ("json", "text"), "The log on stderr: one JSON object a line, or text for people.", default="json")


def serve_options(values: Values) -> ServeOptions:
    """What these values ask for; raises UsageError."""
    from cgtune.advice.quantities import parse_duration
    from cgtune.errors import UsageError
    from cgtune.service.serve import DEFAULT_LISTEN, ServeOptions

    if values[TEXTFILE] is not None and values[LISTEN] is not None:
        raise UsageError("--textfile and --listen exclude each other: a file for the node exporter, or an address for Prometheus")
    if values[OTLP] is not None and values[LABEL_SET] != "pid":
        raise UsageError("--otlp and --label-set exclude each other: OpenTelemetry is told of each process")
    policy = parse_chosen_policy(values)
    interval_seconds = parse_duration(values[INTERVAL], "--interval", least_seconds=0.1, most_seconds=3600.0)
    least_age = values[LEAST_AGE]
    return ServeOptions(
        listen=values[LISTEN] or DEFAULT_LISTEN,
        interval_seconds=interval_seconds,
        pids=values[PIDS],
        root=values[NODE_ROOT],
        fail_on=values[FAIL_ON],
        ignore=values[IGNORE],
        textfile=values[TEXTFILE],
        otlp=values[OTLP],
        log_format=values[LOG_FORMAT],
        policy=policy,
        machinery=values[MACHINERY],
        kernel_log=values[KERNEL_LOG],
        label_set=values[LABEL_SET],
        least_age_seconds=interval_seconds
        if least_age is None
        else parse_duration(least_age, "--least-age", least_seconds=0.0, most_seconds=86400.0),
    )


def _run(values: Values) -> None:
    """Keep looking at every Go process that can be seen, and serve metrics, probes and the report until SIGTERM.

    Answers /metrics, /healthz, /readyz, /report, /kills, /check and /.

    \b
    Examples:
      cgtune serve
      cgtune serve --root /host --listen :9464 --interval 30s
      cgtune serve --textfile /run/node/cgtune.prom
      cgtune serve --otlp http://collector:4318
    """
    from cgtune.service.serve import run_serve

    run_serve(serve_options(values))


COMMAND = Command(
    summary="Keep looking: metrics, probes and the report over HTTP.",
    options=(
        LISTEN,
        INTERVAL,
        PIDS,
        NODE_ROOT,
        FAIL_ON,
        IGNORE,
        TEXTFILE,
        OTLP,
        LABEL_SET,
        LEAST_AGE,
        KERNEL_LOG,
        LOG_FORMAT,
        MACHINERY,
        *POLICY,
    ),
    run=_run,
)
