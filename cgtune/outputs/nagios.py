"""One status line with performance data, as the Monitoring Plugins guidelines have it."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.text import subject

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Verdict

_STATES = {"critical": "CRITICAL", "warning": "WARNING", "info": "WARNING"}
_MOST_LINE = 1024  # what the oldest of these daemons read of a line


def render_nagios(verdict: Verdict) -> str:
    """`CGTUNE WARNING - 1 failure: 42 server: ... | critical=0 warning=1 info=0 processes=1`; the other failures below."""
    processes = verdict.report.processes
    failures = [f"{finding.rule}: {subject(process)}: {escape_control(finding.summary)}" for process, finding in verdict.failures]
    if failures:
        status = f"CGTUNE {_STATES[verdict.failures[0][1].severity]} - {len(failures)} failure{'s' * (len(failures) > 1)}: {failures[0]}"
    else:
        status = f"CGTUNE OK - {len(processes)} process{'es' * (len(processes) != 1)}"
    counts = dict.fromkeys(("critical", "warning", "info"), 0)
    for process in processes:
        for finding in process.findings:
            counts[finding.severity] += 1
    data = " ".join(f"{name}={count}" for name, count in [*counts.items(), ("processes", len(processes))])
    lines = [f"{_plain(status)[: _MOST_LINE - len(data)]} | {data}", *map(_plain, failures[1:])]
    return "".join(f"{line}\n" for line in lines)


def render_unknown(message: str) -> str:
    """The status line where nothing could be judged."""
    return f"CGTUNE UNKNOWN - {_plain(escape_control(message))[:_MOST_LINE]}\n"


def _plain(text: str) -> str:
    return text.replace("|", "/")  # a bar begins the performance data
