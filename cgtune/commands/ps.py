"""``cgtune ps`` below its options: the Go processes once, or again and again."""

from __future__ import annotations

from cgtune import exits
from cgtune.commands.kills import read_kills
from cgtune.commands.showing import draw, render, require_terminal, show
from cgtune.commands.terminal import Telling, looking
from cgtune.errors import CgtuneError, UsageError
from cgtune.model import NOBODY, Policy, Whom
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.model import ProcessReport, Report

#: By what the list can be sorted.
SORTS = ("harm", "cpu", "memory", "pid")

_LEAST_WATCH_SECONDS, _MOST_WATCH_SECONDS = 0.2, 3600.0


class PsOptions(Record):
    """Where to look, and how to show it. ``sort`` None: as the format has it. ``watch_seconds`` None: once."""

    root: str = "/"
    format: str = "table"
    policy: Policy = Policy()
    machinery: bool = False
    color: str = "auto"
    whom: Whom = NOBODY
    sort: str | None = None
    watch_seconds: float | None = None
    window_seconds: float | None = None
    serve_url: str | None = None


def run_ps(options: PsOptions) -> int:
    """Look, judge and print. Raises what api.list_go raises, and Unwritable."""
    if options.watch_seconds is not None:
        return _watch(options, options.watch_seconds)
    with Telling(looking(options.window_seconds)):
        report = _look(options)
    show("ps", options.format, report, options.color, sort=options.sort)
    return exits.CLEAN


def sort_report(report: Report, by: str) -> Report:
    """The report with its processes in this order, the most of it first, the unknown last; those that are alike by pid."""
    from cgtune.outputs.words import charged_bytes, mean_cores, urgency

    def key(process: ProcessReport) -> object:
        if by == "harm":
            return urgency(process)
        used = mean_cores(process) if by == "cpu" else charged_bytes(process) if by == "memory" else 0
        return -1 if used is None else used

    by_pid = sorted(report.processes, key=lambda process: process.snapshot.process.pid)
    return report.replace(processes=tuple(sorted(by_pid, key=key, reverse=by in ("cpu", "memory"))))  # type: ignore[arg-type]


def _look(options: PsOptions) -> Report:
    from cgtune import api

    report = api.list_go(
        root=options.root,
        policy=options.policy,
        machinery=options.machinery,
        whom=options.whom,
        window_seconds=options.window_seconds,
        kills=read_kills(options.serve_url),
    )
    return _sort(report, options)


def _look_again(options: PsOptions) -> Callable[[], Report]:
    """What looks, from the second time on with what happened since the time before."""
    from cgtune import api

    watching = api.Watching(root=options.root, policy=options.policy, machinery=options.machinery, whom=options.whom)
    return lambda: _sort(watching.look(read_kills(options.serve_url)), options)


def _sort(report: Report, options: PsOptions) -> Report:
    return sort_report(report, options.sort or ("harm" if options.format == "table" else "pid"))


def _watch(options: PsOptions, seconds: float) -> int:
    """Draw the list anew until ^C, which ends it cleanly. From the second look on, whom nobody means any more is told in its place, and
    what happened since the look before; with a window each look has its own.
    """
    import time

    if not _LEAST_WATCH_SECONDS <= seconds <= _MOST_WATCH_SECONDS:
        words = f"is not from {_LEAST_WATCH_SECONDS:g} to {_MOST_WATCH_SECONDS:g} seconds; example: --watch 5"
        raise UsageError(f"--watch {seconds:g} {words}")
    if options.format != "table":
        raise UsageError(f"--watch draws a table on a terminal: leave out --format {options.format}")
    look = _look_again(options) if options.window_seconds is None else lambda: _look(options)
    require_terminal("--watch", "run cgtune ps again and again, as in `while sleep 5; do cgtune ps; done`")
    is_first = True
    try:
        while True:
            try:
                text = render("ps", options.format, look(), options.color, sort=options.sort)
            except UsageError:
                raise
            except CgtuneError as error:
                if is_first:
                    raise
                text = f"{error}\n"
            draw(f"cgtune ps, every {seconds:g} s, {time.strftime('%H:%M:%S')}; ^C ends it", text, is_first=is_first)
            is_first = False
            time.sleep(seconds)
    except KeyboardInterrupt:
        return exits.CLEAN
