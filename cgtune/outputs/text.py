"""A verdict for people and logs: nothing where all is well, else each failure with its cause and what to do."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Advice, Finding, ProcessReport, Verdict


def render_text(verdict: Verdict) -> str:
    """The failures, worst first; empty where there are none."""
    lines: list[str] = []
    for process, finding in verdict.failures:
        lines.append(f"{finding.severity} {finding.rule}: {subject(process)}: {escape_control(finding.summary)}")
        lines += [f"  seen: {escape_control(line)}" for line in finding.evidence]
        lines += [f"  do: {advice_words(advice)}" for advice in finding.advice]
    if lines and verdict.below:
        lines.append(f"and {verdict.below} below {verdict.fail_on}, which --fail-on info shows")
    return "".join(f"{line}\n" for line in lines)


def subject(process: ProcessReport) -> str:
    """Which process: `42 server (Go 1.24.11)`."""
    versions = ", ".join(escape_control(facts.version) for facts in process.snapshot.go)
    name = f"{process.snapshot.process.pid} {escape_control(process.snapshot.process.command)}"
    return f"{name} (Go {versions})" if versions else name


def advice_words(advice: Advice) -> str:
    """One act in one line: `set GOMAXPROCS=3: why`."""
    reason = escape_control(advice.reason)
    if advice.variable is None:
        return reason
    act = f"unset {advice.variable}" if advice.value is None else f"set {advice.variable}={advice.value}"
    return f"{escape_control(act)}: {reason}"


def finding_words(process: ProcessReport, finding: Finding) -> str:
    """A whole finding in one paragraph, for formats that have one text for it."""
    evidence = "".join(f" Seen: {escape_control(line)}." for line in finding.evidence)
    acts = "".join(f" Do: {advice_words(advice)}." for advice in finding.advice)
    return f"{subject(process)}: {escape_control(finding.summary)}.{evidence}{acts}"
