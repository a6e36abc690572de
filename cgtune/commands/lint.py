"""The face of ``cgtune lint`` below its options: files in, findings and exit code out; what was counted, skipped or not read on stderr."""

from __future__ import annotations

import sys

from cgtune import exits
from cgtune.commands.showing import render
from cgtune.commands.terminal import Telling, emit, fail
from cgtune.errors import UsageError
from cgtune.model import Policy
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cgtune.commands.linting import Linting
    from cgtune.commands.mending import Mended
    from cgtune.lint.model import LintFinding, LintReport
    from cgtune.model import Severity

_WAITING = "reading manifests"


class LintOptions(Record):
    """What to read, how to judge it, and what to do with the findings.

    ``by_path`` are the config's patterns of paths below ``folder`` with the rules that are silent there. ``fixes`` are the kinds of fixes
    that are made, with ``diff`` only shown.
    """

    paths: tuple[str, ...] = (".",)
    format: str = "text"
    fail_on: Severity = "warning"
    ignore: tuple[str, ...] = ()
    pedantic: bool = False
    statistics: bool = False
    verbose: bool = False
    go: tuple[str, ...] = ()
    binary: str | None = None
    image: tuple[str, ...] = ()
    node_cpus: str | None = None
    node_memory: str | None = None
    by_path: tuple[tuple[str, tuple[str, ...]], ...] = ()
    folder: str = "."
    baseline: str | None = None
    write_baseline: str | None = None
    fixes: tuple[str, ...] = ()
    diff: bool = False
    allow_empty: bool = False
    policy: Policy = Policy()
    color: str = "auto"


def run_lint(options: LintOptions) -> int:
    """Read, judge, say it, and give the exit code back."""
    from cgtune.commands.linting import Linting

    _refuse_mixed(options)
    linting = Linting(options)
    if options.write_baseline is not None:
        return _write_baseline(options, linting, options.write_baseline)
    if not options.fixes:
        return _show(options, linting)
    with Telling(_WAITING):
        mended = _mend(options, linting)
    if not options.diff:
        from cgtune.commands.mending import write_mended

        write_mended(mended)
        _say_mended(mended, "")
        return _show(options, linting)
    from cgtune.commands.mending import render_diff

    emit(render_diff(mended, is_shown=sys.stdout.isatty()))
    _say_mended(mended, "would be ")
    return _show(options, linting, is_silent=True)


def _refuse_mixed(options: LintOptions) -> None:
    """Raises UsageError for options that contradict each other."""
    if options.statistics and options.format != "text":
        raise UsageError("--statistics is text: leave out --format, or count what --format json has")
    if options.fixes and options.write_baseline is not None:
        raise UsageError("--write-baseline and --fix exclude each other: mend first, then write what is left")
    if options.fixes and "-" in options.paths:
        raise UsageError("--fix mends files, and standard input is none: name the file; of rendered manifests findings have hints instead")


def _mend(options: LintOptions, linting: Linting) -> Mended:
    from cgtune.commands.mending import is_elsewhere, mend

    warned: set[str] = set()

    def keep(file: str) -> bool:
        why = None if options.diff else is_elsewhere(file)
        if why is not None and file not in warned:
            warned.add(file)
            fail(f"not mended: {why}", 0)
        return why is not None

    def find(texts: Mapping[str, str]) -> Iterator[tuple[LintFinding, str]]:
        return ((finding, text) for report, text in linting.look(texts) for finding in report.findings)

    return mend(find, options.fixes, keep)


def _say_mended(mended: Mended, verb: str) -> None:
    from cgtune.outputs.lint.words import counted

    files = counted(len(mended.after), "file")
    words = f"{counted(mended.count, 'finding')} {verb}mended in {files}" if mended.after else f"nothing {verb or 'was '}mended"
    fail(words, 0)


def _write_baseline(options: LintOptions, linting: Linting, file: str) -> int:
    from cgtune.lint.baseline import render_baseline
    from cgtune.outputs.lint.words import counted
    from cgtune.system.outputfile import replace_file

    with Telling(_WAITING):
        report = linting.join(report for report, _ in linting.look())
    if code := _failure(options, linting, report):
        return code
    replace_file(file, render_baseline(report.findings).encode(), 0o644, "--write-baseline")
    return fail(f"{counted(len(report.findings), 'finding')} written to {file}; --baseline {file} leaves them out", exits.CLEAN)


def _show(options: LintOptions, linting: Linting, *, is_silent: bool = False) -> int:
    """Say what was found, as text file by file as it is read, and give the exit code back."""
    is_streamed = options.format == "text" and not options.statistics and not is_silent
    reports: list[LintReport] = []
    telling = Telling(_WAITING)
    with telling:
        for report, _ in linting.look():
            if is_streamed and report.findings:
                telling.end()
                emit(("\n" if any(one.findings for one in reports) else "") + render("lint", "text", report, options.color))
            reports.append(report)
    report = linting.join(reports)
    if options.statistics and not is_silent:
        emit(render("lint --statistics", "text", report, options.color))
    elif not is_streamed and not is_silent:
        emit(render("lint", options.format, report, options.color))
    code = _failure(options, linting, report)
    _say_rest(options, linting, report)
    return exits.FINDING if report.failures else code


def _say_rest(options: LintOptions, linting: Linting, report: LintReport) -> None:
    """On stderr: what names no rule; with --verbose what was skipped and silenced in vain; and the line that counts."""
    from cgtune.outputs.lint.words import skipped_words, summary_words

    for warning in linting.silences.warnings:
        fail(warning, 0)
    if options.verbose:
        for what, which in (("not seen", report.unseen), ("skipped", report.skipped)):
            for each in which:
                fail(skipped_words(each, what), 0)
    if options.verbose or options.pedantic:
        for words in linting.silences.unused:
            fail(words, 0)
    if report.files or not linting.unread:
        fail(summary_words(report), 0)


def _failure(options: LintOptions, linting: Linting, report: LintReport) -> int:
    """Say what could not be read, or that nothing was judged, and give that exit code; 0 if neither is so."""
    for words in linting.unread:
        fail(words, 0)
    if linting.unread:
        return exits.COULD_NOT_INSPECT
    if report.containers or options.allow_empty:
        return exits.CLEAN
    why = f": {report.skipped[0].why}" if len(report.skipped) == 1 else ", -v says why" if report.skipped else ""
    return fail(f"nothing was judged, as no container was found{why}; name files or folders with manifests", exits.COULD_NOT_INSPECT)
