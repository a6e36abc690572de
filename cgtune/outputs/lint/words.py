"""Findings of manifests in words: files, containers, messages and the line at the end are each worded once, for all formats."""

from __future__ import annotations

from cgtune.model import SEVERITIES
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import grounds_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cgtune.lint.model import LintFinding, LintReport
    from cgtune.manifests.workload import Skipped

STDIN = "-"

#: What has to be asked for to mend a finding, by the kind of its fix.
FIXES = {
    "safe": "--fix mends it",
    "unsafe": "--unsafe-fixes mends it: that changes what the program gets",
}


def file_words(file: str) -> str:
    """A file's name for people."""
    return "<stdin>" if file == STDIN else escape_control(file)


def container_words(finding: LintFinding) -> str:
    """Which container of which object: `Deployment/shop/orders, container app`."""
    subject, container = escape_control(finding.subject), escape_control(finding.container)
    return subject if container in ("", subject) else f"{subject}, container {container}"


def go_words(finding: LintFinding) -> str:
    """For which versions of Go it holds: ` (Go before 1.25)`; empty if for all."""
    return "" if finding.go is None else f" (Go {escape_control(finding.go)})"


def message_words(finding: LintFinding) -> str:
    """A whole finding in one paragraph, for formats that have one text for it."""
    source = f" Rendered from {escape_control(finding.source)}." if finding.source else ""
    grounds = grounds_words(finding.evidence, finding.advice)
    return f"{container_words(finding)}: {escape_control(finding.summary)}{go_words(finding)}.{source}{grounds}"


def identities(findings: Iterable[LintFinding]) -> Iterator[tuple[LintFinding, str]]:
    """Each finding with what it is known by in the next run too, wherever its line is then: rule, object, container; a number if that is
    there more than once in the file.
    """
    seen: dict[tuple[str, str], int] = {}
    for finding in findings:
        name = f"{finding.rule} {escape_control(finding.subject)} {escape_control(finding.container)}"
        count = seen[finding.place.file, name] = seen.get((finding.place.file, name), 0) + 1
        yield finding, name if count == 1 else f"{name} {count}"


def counted(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count or 'no'} {noun}{'s' * (count != 1)}"


def summary_words(report: LintReport) -> str:
    """What was looked at and what came of it, in one line: `2 files, 3 containers: 1 critical, 2 warning; 1 document skipped`."""
    counts = {severity: sum(one.severity == severity for one in report.findings) for severity in SEVERITIES}
    found = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    if report.containers:
        found = found or "nothing found"
    mended = {kind: sum(one.fix is not None and one.fix.kind == kind for one in report.findings) for kind in FIXES}
    parts = [
        f"{counted(len(report.files), 'file')}, {counted(report.containers, 'container')}" + (f": {found}" if found else ""),
        *(f"--{'fix' if kind == 'safe' else 'unsafe-fixes'} mends {count}" for kind, count in mended.items() if count),
        *([f"{report.silenced} silenced"] if report.silenced else []),
        *([f"{counted(len(report.unseen), 'value')} could not be seen"] if report.unseen else []),
        *([f"{counted(len(report.skipped), 'document')} skipped"] if report.skipped else []),
    ]
    if report.skipped or report.unseen:
        parts[-1] += " (-v lists them)"
    return "; ".join(parts)


def skipped_words(skipped: Skipped, what: str) -> str:
    """What was no workload, or what of one was not seen, and why, in one line; ``what`` says which."""
    source = f" (rendered from {escape_control(skipped.source)})" if skipped.source else ""
    return f"{file_words(skipped.file)}:{skipped.line}: {what}: {escape_control(skipped.why)}{source}"
