"""The face of ``cgtune check`` below its options: targets in, text and exit code out.

A probe calls it every few seconds. It loads neither the command-line library nor psutil.
"""

from __future__ import annotations

from cgtune import exits
from cgtune.commands.kills import read_kills
from cgtune.commands.showing import show
from cgtune.commands.terminal import Telling, emit, fail, looking
from cgtune.errors import CgtuneError, NoSuchProcess, Unreadable, UsageError
from cgtune.model import NOBODY, Policy, Whom
from cgtune.records import Record
from cgtune.remembered import with_kills
from cgtune.verdict import blind, blind_partly, exit_code, failure_code, judge_report, parse_ignored, unseen_notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cgtune.model import Blind, FailOn, Report, Verdict


class CheckOptions(Record):
    """What to look at, and how to say it. ``exit_style`` None: that of the format."""

    pids: tuple[int, ...] = ()
    self_only: bool = False
    root: str = "/"
    format: str = "text"
    fail_on: FailOn = "warning"
    ignore: tuple[str, ...] = ()
    exit_style: str | None = None
    window_seconds: float | None = None
    policy: Policy = Policy()
    machinery: bool = False
    color: str = "auto"
    whom: Whom = NOBODY
    serve_url: str | None = None

    @property
    def style(self) -> str:
        """The exit style that holds."""
        return self.exit_style or ("nagios" if self.format == "nagios" else "lint")


def run_check(options: CheckOptions) -> int:
    """Look, judge, say it in one write, and give the exit code back."""
    try:
        verdict = read_verdict(options)
        show("check", options.format, verdict, colour=options.color)
    except UsageError as error:
        return refuse(str(error), exits.USAGE, options.style, options.format)
    except CgtuneError as error:
        return refuse(str(error), exits.COULD_NOT_INSPECT, options.style, options.format)
    if options.format != "json":  # which holds them
        for note in unseen_notes(verdict.report):
            from cgtune.outputs.words import note_words

            fail(f"not seen: {f'{note.path}: ' * (note not in verdict.report.notes)}{note_words(note)}", 0)
    return exit_code(verdict, options.style)


def refuse(message: str, code: int, style: str, format_: str) -> int:
    """Say why there is no verdict: on stderr, and to nagios in its own status line too."""
    if format_ == "nagios":
        from cgtune.outputs.nagios import render_unknown

        try:
            emit(render_unknown(message))
        except CgtuneError as error:  # a full disk: stderr says both
            message = str(error) if message == str(error) else f"{message}; {error}"
    return fail(message, failure_code(code, style))


def read_verdict(options: CheckOptions) -> Verdict:
    """The verdict on the chosen processes; waits for the window if there is one. Raises what inspect raises."""
    from cgtune import api
    from cgtune.system.host import Host

    ignored = parse_ignored(options.ignore)
    window = options.window_seconds
    kills = read_kills(options.serve_url)
    with Telling(looking(window)), Host(options.root) as host:

        def look() -> Report:
            report = api.inspect_host(host, options.pids, self_only=options.self_only, machinery=options.machinery, whom=options.whom)
            require_sight(report, options)
            return report

        report = api.judge(with_kills(api.watch(host, window, look), kills, host.time_seconds()), options.policy, ignored=ignored)
    verdict = judge_report(report, fail_on=options.fail_on, ignored=ignored, window_seconds=window)
    if not verdict.failures:
        _refuse_blind(blind_partly(report))
    if options.format != "nagios":
        return verdict
    from cgtune.measures import measure_report

    return verdict.replace(measures=measure_report(report, options.policy))


def require_sight(report: Report, options: CheckOptions) -> None:
    """If permissions kept us from every Go process, or from one that was named, there is no verdict: "clean" would be a guess.

    Raises Unreadable, and NoSuchProcess for a named process that has ended.
    """
    pids = (*options.pids, *options.whom.pids)
    if options.whom.words:  # each of those that are meant has been named
        pids = (*pids, *(process.snapshot.process.pid for process in report.processes))
    _refuse_blind(blind(report, pids, self_only=options.self_only))


def _refuse_blind(why: Blind | None) -> None:
    if why is None:
        return
    if why.note is None:
        raise NoSuchProcess(f"{why.what}; {why.hint}")
    place = f"{why.note.path}: " if why.cause in ("closed", "partly") else ""
    from cgtune.outputs.words import note_words

    raise Unreadable(f"{why.what}: {place}{note_words(why.note)}; {why.hint}", privilege=why.note.privilege)


def parse_refused(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[str, str]:
    """Exit style and format as far as they can be told from a command line that was refused."""
    style, format_ = environ.get("CGTUNE_EXIT_STYLE", ""), environ.get("CGTUNE_FORMAT", "")
    for index, word in enumerate(arguments):
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        name, equals, value = word.partition("=")
        if name == "--exit-style":
            style = value if equals else following
        elif name == "--format":
            format_ = value if equals else following
    return style or ("nagios" if format_ == "nagios" else "lint"), format_
