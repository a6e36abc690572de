"""One status line with performance data, as the Monitoring Plugins guidelines have it."""

from __future__ import annotations

from cgtune.model import SEVERITIES
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import rule_words, subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Measure, Verdict

_STATES = {"critical": "CRITICAL", "warning": "WARNING", "info": "WARNING"}
_MOST_LINE = 1024  # what the oldest of these daemons read of a line
_LEAST_STATUS = 320  # of these, what is kept for words
_LABEL_BREAKERS = str.maketrans(dict.fromkeys("='|", "_"))


def render_nagios(verdict: Verdict) -> str:
    """`CGTUNE WARNING - 1 failure: ... | critical=0 warning=1 info=0 processes=1 throttled=12.5%;5;25`; further failures below.

    Performance data is that of whole processes, as many as the line has room for; how many it had not is said at the end.
    """
    processes = verdict.report.processes
    failures = [f"{rule_words(finding)}: {subject(process)}: {escape_control(finding.summary)}" for process, finding in verdict.failures]
    if failures:
        worst = min((finding for _, finding in verdict.failures), key=lambda finding: SEVERITIES.index(finding.severity))
        status = f"CGTUNE {_STATES[worst.severity]} - {len(failures)} failure{'s' * (len(failures) > 1)}: {failures[0]}"
    else:
        status = f"CGTUNE OK - {len(processes)} process{'es' * (len(processes) != 1)}"
    data, left_out = _performance(verdict)
    lines = [f"{_plain(status)[: _MOST_LINE - len(data) - 3]} | {data}", *map(_plain, failures[1:])]
    if left_out:
        lines.append(f"no room for the performance data of {left_out} more process{'es' * (left_out != 1)}: choose with --pid")
    return "".join(f"{line}\n" for line in lines)


def _performance(verdict: Verdict) -> tuple[str, int]:
    """The data, and how many processes found no room in it."""
    counts = dict.fromkeys(SEVERITIES, 0)
    for process in verdict.report.processes:
        for finding in process.findings:
            counts[finding.severity] += 1
    data = " ".join(f"{name}={count}" for name, count in [*counts.items(), ("processes", len(verdict.report.processes))])
    several = len(verdict.measures) > 1
    for index, (name, measures) in enumerate(verdict.measures):
        more = "".join(f" {_datum(measure, name if several else '')}" for measure in measures)
        if len(data) + len(more) > _MOST_LINE - _LEAST_STATUS:
            return data, len(verdict.measures) - index
        data += more
    return data, 0


def _datum(measure: Measure, process: str) -> str:
    """'label'=value[unit][;warn[;crit]], the label in quotes where it has blanks; the measure first: of labels, 19 characters count."""
    label = measure.name
    if process:
        label = f"'{measure.name} {escape_control(process).translate(_LABEL_BREAKERS)}'"
    bounds = "".join(f";{bound:g}" if bound is not None else ";" for bound in (measure.warn, measure.crit)).rstrip(";")
    value = f"{measure.value:.1f}" if measure.unit == "%" else f"{measure.value:.0f}"
    return f"{label}={value}{measure.unit}{bounds}"


def render_unknown(message: str) -> str:
    """The status line where nothing could be judged."""
    return f"CGTUNE UNKNOWN - {_plain(escape_control(message))[:_MOST_LINE]}\n"


def _plain(text: str) -> str:
    return text.replace("|", "/")  # a bar begins the performance data
