"""The face of ``cgtune fleet`` below its options: a server is asked, and what it says of each Go service is shown, patched, compared."""

from __future__ import annotations

import os

from cgtune import exits
from cgtune.commands.showing import show
from cgtune.commands.terminal import Telling, emit, fail
from cgtune.errors import Unwritable, UsageError, name_failure
from cgtune.model import Policy
from cgtune.system.promaccess import AccessOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cgtune.fleet.comparing import Old, Since
    from cgtune.fleet.model import FleetReport
    from cgtune.model import FailOn, Finding

_MOST_OLD_BYTES = 256 << 20
_WITHOUT_ROOM = ("csv", "sarif")  # formats that have no place for what the server warns of
_ASKING = "asking which series there are"


class FleetOptions(AccessOptions):
    """Which server and who we are to it, as AccessOptions has it; of what, and what becomes of the answer.

    ``fail_on`` None: the exit code says nothing of findings.
    """

    window_seconds: int
    namespaces: tuple[str, ...] = ()
    selector: str | None = None
    concurrency: int = 2
    max_load: float | None = None
    doctor: bool = False
    format: str = "table"
    top: int | None = None
    patch: str | None = None
    output: str | None = None
    diff: str | None = None
    fail_on: FailOn | None = None
    ignore: tuple[str, ...] = ()
    policy: Policy = Policy()
    color: str = "auto"


def run_fleet(options: FleetOptions) -> int:
    """Ask, judge, say it in one write, and give the exit code back."""
    from cgtune.verdict import parse_ignored

    _refuse_mixed(options)
    ignored = parse_ignored(options.ignore)
    old = None if options.diff is None else _read_old(options.diff)
    report = _ask(options, ignored)
    if options.doctor:
        show("fleet --doctor", options.format, report, options.color)
        return exits.CLEAN
    since: Since | None = None
    if options.patch is not None:
        if (missing := _missing(options, report)) is not None:  # what was not told may be why a value is wrong
            return fail(f"no patch is written: {missing}", exits.COULD_NOT_INSPECT)
        _write_patch(options, report)
    elif old is not None:
        from cgtune.fleet.comparing import compare
        from cgtune.outputs.escape import escape_control

        since = compare(report, old, escape_control)
        show("fleet --diff", options.format, since, options.color)
    else:
        show("fleet", options.format, report, options.color, top=options.top)
    if options.patch is not None or (since is None and options.format in _WITHOUT_ROOM):
        for warning in report.warnings:
            fail(f"warning of the server: {warning}", exits.CLEAN)
    return _judge(options, report, since)


def _ask(options: FleetOptions, ignored: frozenset[str]) -> FleetReport:
    import time

    from cgtune import __version__
    from cgtune.fleet.asked import Asked, parse_selector
    from cgtune.fleet.case import FLEET_RULES
    from cgtune.fleet.route import diagnose_fleet, report_fleet
    from cgtune.rulebook import describe_rule, locate_rule
    from cgtune.system.abreast import Pace
    from cgtune.system.promaccess import read_access
    from cgtune.system.promclient import Client

    selector = "" if options.selector is None else parse_selector(options.selector)
    asked = Asked(
        window_seconds=options.window_seconds, namespaces=options.namespaces, selector=selector, over_time=options.format == "html"
    )
    client = Client(read_access(options, os.environ), pace=Pace(concurrency=options.concurrency, load=options.max_load))
    telling = Telling(_ASKING)
    with telling:
        if options.doctor:
            return diagnose_fleet(client, asked, version=__version__, now=time.time())
        report = report_fleet(
            client,
            asked,
            version=__version__,
            now=time.time(),
            policy=options.policy,
            ignored=ignored,
            tell=lambda done, whole: telling.say(f"{done} of {whole} questions answered, {options.concurrency} at a time"),
        )
    return report.replace(rules=tuple(describe_rule(locate_rule(rule)) for rule in FLEET_RULES if rule not in ignored))


def _judge(options: FleetOptions, report: FleetReport, since: Since | None) -> int:
    """The exit code: a finding that fails, else whether the report tells all that was asked."""
    if options.fail_on is not None and _has_failure(options.fail_on, report, since):
        return exits.FINDING
    missing = _missing(options, report)
    return exits.CLEAN if missing is None else fail(missing, exits.COULD_NOT_INSPECT)


def _missing(options: FleetOptions, report: FleetReport) -> str | None:
    """Why the report does not tell all that was asked, and what to try; None if it does."""
    if report.refused:
        count = len(report.refused)
        what = (
            f"{count} question{'s were' if count > 1 else ' was'} refused, and what {'they tell' if count > 1 else 'it tells'} is missing"
        )
        return f"{what}: {report.refused[0]}; name fewer with --namespace, or a shorter --last"
    if not report.rows:
        among = f" in namespace {', '.join(options.namespaces)}" if options.namespaces else ""
        what = f"the server has no Go container{among} that can be told from samples of the last 5 minutes"
        return f"{what}; the same with --doctor says what is missing"
    return None


def _has_failure(fail_on: FailOn, report: FleetReport, since: Since | None) -> bool:
    """Whether a finding is so severe; beside an older report only one that is new or got worse counts."""
    from cgtune.verdict import fails

    found: Iterable[Finding] = (finding for row in report.rows for finding in row.findings)
    if since is not None:
        moved = {each.key: {*each.fresh, *each.worse} for each in since.moved}
        found = (finding for row in report.rows for finding in row.findings if finding.rule in moved.get(row.key, ()))
    return any(fails(finding, fail_on) for finding in found)


def _refuse_mixed(options: FleetOptions) -> None:
    """Raises UsageError for options that do not go together."""
    from cgtune.outputs import names_of

    modes = [name for name, is_given in (("--doctor", options.doctor), ("--patch", options.patch), ("--diff", options.diff)) if is_given]
    if len(modes) > 1:
        raise UsageError(f"{' and '.join(modes)} are different answers; ask for one at a time")
    if options.output is not None and options.patch is None:
        raise UsageError("--output is the folder of --patch: a report goes to standard output, as in cgtune fleet ... > report.html")
    if options.output is not None and not os.path.isdir(options.output):
        raise UsageError(f"--output {options.output!r} is no folder that is there; make it with mkdir -p")
    if options.patch is not None and options.format != "table":
        raise UsageError(f"--patch has formats of its own, kustomize and helm; leave --format {options.format} out")
    mode = f"fleet {modes[0]}" if modes and modes[0] != "--patch" else "fleet"
    if options.format not in names_of(mode):
        *most, last = names_of(mode)
        raise UsageError(f"--format {options.format} is not of {modes[0]}, which has {', '.join(most)} and {last}")
    if options.top is not None and options.format != "table":
        raise UsageError(f"--top is for the table: --format {options.format} has all rows")
    if options.doctor and options.namespaces:
        raise UsageError("--doctor is about all namespaces: a series may lack the label; leave --namespace out")
    if options.doctor and options.fail_on is not None:
        raise UsageError("--fail-on is about findings, which --doctor does not look for; leave it out")


def _read_old(path: str) -> Old:
    from cgtune.fleet.comparing import parse_old
    from cgtune.system.inputfiles import open_to_read

    try:
        with open_to_read(path) as file:
            content = file.read(_MOST_OLD_BYTES + 1)
    except (OSError, ValueError) as error:
        raise name_failure("--diff", path, error, "name what cgtune fleet --format json printed") from error
    if len(content) > _MOST_OLD_BYTES:
        raise UsageError(f"--diff {path} has more than {_MOST_OLD_BYTES >> 20} MiB, which is no such report")
    return parse_old(content.decode("utf-8", "replace"), path)


def _write_patch(options: FleetOptions, report: FleetReport) -> None:
    """To standard output as one text, or each file into the folder, each whole or not at all, last the one that names the others."""
    from cgtune.outputs.fleet.patch import render_patch

    files = render_patch(report, str(options.patch))
    if options.output is None:
        emit("".join(text for _, text in files))
        return
    from cgtune.system.outputfile import replace_file

    index, *others = files
    for count, (name, text) in enumerate((*others, index)):
        try:
            replace_file(os.path.join(options.output, name), text.encode(), 0o644, "--output")
        except Unwritable as error:
            done = f"{count} of {len(files)} files are written, {index[0]} comes last; " if count else ""
            raise Unwritable(f"{done}{error}") from error
    fail(f"{len(files)} files are in {options.output}", exits.CLEAN)
