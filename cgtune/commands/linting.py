"""What ``cgtune lint`` reads, judged, and with what somebody silenced left out: a report for each file."""

from __future__ import annotations

import os

from cgtune.errors import CgtuneError, name_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cgtune.commands.lint import LintOptions
    from cgtune.lint.model import LintFinding, LintReport, Settings
    from cgtune.lint.silencing import Ignore, Silences
    from cgtune.manifests.around import Around
    from cgtune.manifests.places import Lines
    from cgtune.manifests.workload import Skipped, Workload
    from cgtune.model import RuleText


class Linting:
    """The reading and judging of one run, which may look several times. ``silences`` are those of the last look."""

    silences: Silences

    def __init__(self, options: LintOptions) -> None:
        """Raises UsageError for what the options name and is not so."""
        from cgtune.commands.programs import read_known
        from cgtune.manifests import is_manifest
        from cgtune.system.inputfiles import InputFiles

        self._options = options
        self._files = InputFiles(options.paths, is_manifest)
        self._settings = _parse_settings(options)
        self._known = read_known(options.go, options.binary, options.image)
        self._baseline = None if options.baseline is None or options.write_baseline is not None else _read_baseline(options.baseline)
        self._rules = _describe_rules(self._settings.ignored)

    def look(self, texts: Mapping[str, str] | None = None) -> Iterator[tuple[LintReport, str]]:
        """The reports on the files, in their order, each with the file's text. ``texts`` stand for what is in files."""
        from cgtune.lint.silencing import Silences, other_name
        from cgtune.manifests.around import Around
        from cgtune.manifests.places import Beside
        from cgtune.rulebook import locate_rule

        self.silences = Silences(lambda name: locate_rule(other_name(name)).ID, self._options.by_path, self._baseline)
        node = self._settings.node
        beside = Beside(self._files.read_beside, self._files.names_beside)
        around = Around(node_cores=node.cpus, node_memory_bytes=node.memory_bytes, beside=beside)
        for file, text in self._read(texts or {}):
            around.collect(file, text)
            del text  # a large one is not held while it is read once more
        for file, text in self._read(texts or {}):
            yield self._judge(file, text, around), text

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be read in any look, in words."""
        return tuple(self._files.unread)

    def _read(self, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """The files with their texts, once more from the beginning, without those that cannot be read."""
        return ((file, texts.get(file, text)) for file, text in self._files.read() if not isinstance(text, CgtuneError))

    def join(self, reports: Iterable[LintReport]) -> LintReport:
        """One report of all."""
        whole = list(reports)
        return self._report(
            files=tuple(file for report in whole for file in report.files),
            skipped=tuple(each for report in whole for each in report.skipped),
            unseen=tuple(each for report in whole for each in report.unseen),
            findings=tuple(finding for report in whole for finding in report.findings),
            containers=sum(report.containers for report in whole),
            silenced=sum(report.silenced for report in whole),
        )

    def _report(self, **fields: object) -> LintReport:
        from cgtune import __version__
        from cgtune.lint.model import LintReport

        return LintReport(version=__version__, rules=self._rules, fail_on=self._options.fail_on, **fields)  # type: ignore[arg-type]

    def _judge(self, file: str, text: str, around: Around) -> LintReport:
        from cgtune.lint.goes import find_go, join_image
        from cgtune.lint.judge import judge_file, say_unseen
        from cgtune.lint.quoting import quote
        from cgtune.manifests import read_text
        from cgtune.manifests.places import Lines

        comments = {file: self.silences.comments(file, text)}
        lines: dict[str, Lines] = {}
        skipped: list[Skipped] = []
        unseen: list[Skipped] = []
        found: list[LintFinding] = []
        containers = silenced = 0
        for read in read_text(file, text, around):
            skipped += read.skipped
            workloads = [join_image(workload, self._known) for workload in read.workloads]
            judged = [(workload, find_go(workload, self._known)) for workload in workloads]
            containers += len(judged)
            unseen += [each for workload, go in judged for each in say_unseen(workload, go)]
            words = {(workload.subject, workload.container): (workload, self._words(workload)) for workload, _ in judged}
            for finding in judge_file(judged, self._settings, text):
                where = finding.place.file  # a drop-in or a file of variables has comments and lines of its own
                other = None if where in comments else around.beside.read(where) or ""
                if other is not None:
                    comments[where], lines[where] = self.silences.comments(where, other), Lines(where, other)
                workload, ignores = words.get((finding.subject, finding.container), (None, ()))
                is_silent = self.silences.silences(finding, workload, (*comments[where], *ignores))
                if finding.is_pedantic and not self._options.pedantic:
                    continue
                silenced += is_silent
                if not is_silent:
                    if file not in lines:
                        lines[file] = Lines(file, text)
                    found.append(quote(finding, lines))
        found.sort(key=lambda one: (one.place.line, one.place.column))
        return self._report(
            files=(file,),
            skipped=tuple(skipped),
            unseen=tuple(unseen),
            findings=tuple(found),
            containers=containers,
            silenced=silenced,
        )

    def _words(self, workload: Workload) -> tuple[Ignore, ...]:
        """What somebody said of one container by its file and at its object."""
        file = os.path.relpath(workload.place.file, self._options.folder) if self._options.by_path else workload.place.file
        names = [name for name in (file, workload.source) if name]
        return (*self.silences.by_path(names), *self.silences.annotations(workload))


def _parse_settings(options: LintOptions) -> Settings:
    """How lint judges; what is pedantic is sorted out later, as a comment may silence it."""
    from cgtune.advice.quantities import parse_byte_quantity, parse_cpu_quantity
    from cgtune.lint.model import Node, Settings
    from cgtune.verdict import parse_ignored

    cpus, memory = options.node_cpus, options.node_memory
    return Settings(
        node=Node(
            cpus=None if cpus is None else parse_cpu_quantity(cpus, "--node-cpus"),
            memory_bytes=None if memory is None else parse_byte_quantity(memory, "--node-memory"),
        ),
        policy=options.policy,
        ignored=parse_ignored(options.ignore),
        is_pedantic=True,
    )


def _describe_rules(ignored: frozenset[str]) -> tuple[RuleText, ...]:
    from cgtune.lint.judge import LINT_RULES
    from cgtune.rulebook import describe_rule

    return tuple(describe_rule(rule) for rule in LINT_RULES if rule.ID not in ignored)


def _read_baseline(file: str) -> dict[tuple[str, str, str], int]:
    from cgtune.lint.baseline import parse_baseline
    from cgtune.system.inputfiles import MOST_BYTES, open_to_read

    try:
        with open_to_read(file) as opened:
            return parse_baseline(opened.read(MOST_BYTES).decode(), file)
    except (OSError, ValueError) as error:
        raise name_failure("--baseline", file, error, f"make one: cgtune lint --write-baseline {file} PATH") from error
