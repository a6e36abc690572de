"""Which findings somebody has silenced: by a comment at the line, an annotation of the object, the config by path, or the baseline. Pure.

A comment holds for its own line, or, if it has the line for itself, for the next one. A variable counts from its entry to its value.
"""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cgtune.lint.model import LintFinding
    from cgtune.manifests.workload import Workload

#: The annotation of an object or its pod template; with `.CONTAINER` behind it, for one container.
ANNOTATION = "cgtune.dev/ignore"

_MARK = "cgtune:"

#: Neutral names of mistakes in manifests, as catalogues of them have, and the rules that tell of them. So do the other names of rules
#: without the `go` at their beginning.
_NEUTRAL = {
    "memlimit-equals-limit": "gomemlimit-exceeds-limit",
    "memlimit-above-limit": "gomemlimit-exceeds-limit",
    "memlimit-small": "memory-limit-too-small",
    "memlimit-node-allocatable": "gomemlimit-from-node",
    "maxprocs-above-limit": "gomaxprocs-exceeds-quota",
    "maxprocs-below-derived": "gomaxprocs-below-quota",
    "maxprocs-node-allocatable": "gomaxprocs-from-node",
    "fractional-cpu-limit": "fractional-quota",
    "gogc-off-without-memlimit": "gc-off-without-limit",
}


class Ignore(Record):
    """Somebody's word that a rule is not to speak. ``lines`` None: wherever in the file. ``where`` says in words where that is written."""

    rule: str
    lines: tuple[int, ...] | None
    where: str


class Silences:
    """The words that hold in one run; it remembers which silenced something, and what was written in vain."""

    def __init__(
        self,
        find_rule: Callable[[str], str],
        by_path: Sequence[tuple[str, Sequence[str]]] = (),
        baseline: Mapping[tuple[str, str, str], int] | None = None,
    ) -> None:
        """``find_rule`` gives the id of a rule of that name, and raises UsageError for none; ``by_path`` are patterns with rules."""
        self._find_rule = find_rule
        self._by_path = by_path
        self._left = dict(baseline or {})
        self._used: set[Ignore] = set()
        self._written: dict[Ignore, None] = {}
        self._warned: dict[str, None] = {}

    def comments(self, file: str, text: str) -> tuple[Ignore, ...]:
        """What the comments of a file silence."""
        return tuple(self._known(parse_comments(file, text))) if _MARK in text else ()

    def by_path(self, names: Iterable[str]) -> tuple[Ignore, ...]:
        """What the config silences in a file that has these names (its path, the template that it was rendered from)."""
        known = list(names)
        return tuple(
            self._known(
                Ignore(rule=rule, lines=None, where=f"per-path-ignores, {pattern!r}")
                for pattern, rules in self._by_path
                if any(matches(pattern, name) for name in known)
                for rule in rules
            )
        )

    def annotations(self, workload: Workload) -> tuple[Ignore, ...]:
        """What the annotations of an object silence in a container."""
        return tuple(self._known(parse_annotations(workload)))

    def silences(self, finding: LintFinding, workload: Workload | None, words: Iterable[Ignore]) -> bool:
        """Whether one of these words, or the baseline, silences the finding; each that does is of use."""
        meant = [word for word in words if word.rule == finding.rule]
        lines = _lines(finding, workload) if meant else set()
        used = [word for word in meant if word.lines is None or not lines.isdisjoint(word.lines)]
        self._used.update(used)
        if used:
            return True
        key = key_of(finding)
        if self._left.get(key, 0) < 1:
            return False
        self._left[key] -= 1
        return True

    @property
    def warnings(self) -> tuple[str, ...]:
        """Names of rules that there are not, each in a line."""
        return tuple(self._warned)

    @property
    def unused(self) -> tuple[str, ...]:
        """What was written and silenced nothing, each in a line."""
        vain = [f"{word.where}: {word.rule} silences nothing" for word in self._written if word not in self._used]
        return (*vain, *(f"baseline: {rule} of {subject}, container {name}: {count} gone" for (subject, name, rule), count in self._gone()))

    def _gone(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        return ((key, count) for key, count in self._left.items() if count)

    def _known(self, words: Iterable[Ignore]) -> Iterator[Ignore]:
        """The words that name a rule that there is; of the others a warning is kept."""
        from cgtune.errors import UsageError

        for word in words:
            if not word.rule:
                self._warned[f"{word.where}: this silences nothing, as it names no rule: ignore[RULE] why"] = None
                continue
            try:
                known = word.replace(rule=self._find_rule(word.rule))
            except UsageError as error:
                self._warned[f"{word.where}: {error}"] = None
                continue
            self._written[known] = None
            yield known


def other_name(name: str) -> str:
    """The rule that somebody means who silences this neutral name; else the name itself."""
    return _NEUTRAL.get(name) or (f"go{name}" if name.startswith(("memlimit-", "maxprocs-")) else name)


def key_of(finding: LintFinding) -> tuple[str, str, str]:
    """What a baseline knows a finding by: object, container, rule."""
    return finding.subject, finding.container, finding.rule


def parse_comments(file: str, text: str) -> Iterator[Ignore]:
    """`# cgtune: ignore[rule, rule] reason`, one word for each rule; in units `;` begins a comment too."""
    import re

    pattern = re.compile(r"(?:^|\s)[#;]\s*cgtune:\s*ignore(?:\s*\[([^\]]*)\])?")
    lines = re.split(r"\r\n?|\n", text)
    for index, line in enumerate(lines):
        if _MARK not in line or (found := pattern.search(line)) is None:
            continue
        number = index + 1
        if not line[: found.start()].strip():
            number = next((below + 1 for below in range(index + 1, len(lines)) if not _is_comment(lines[below])), number)
        for rule in _names(found[1] or ""):
            yield Ignore(rule=rule, lines=(number,), where=f"{file}:{index + 1}")


def parse_annotations(workload: Workload) -> Iterator[Ignore]:
    """`cgtune.dev/ignore: "rule, rule: reason"`, one word for each rule."""
    for annotation in workload.annotations:
        if annotation.name in (ANNOTATION, f"{ANNOTATION}.{workload.container}"):
            for rule in _names(annotation.value.partition(":")[0]):
                yield Ignore(rule=rule, lines=None, where=f"{annotation.place.file}:{annotation.place.line}")


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern of per-path-ignores means this path: `*` stands for anything, `/` at the end for all that is below; without any
    other `/` it is held against the file's name.
    """
    from fnmatch import fnmatchcase

    pattern, name = pattern.removeprefix("./"), name.removeprefix("./")
    if pattern.endswith("/"):
        return fnmatchcase(name, f"{pattern}*") or fnmatchcase(name, f"*/{pattern}*")
    return fnmatchcase(name, pattern) or ("/" not in pattern and fnmatchcase(name.rpartition("/")[2], pattern))


def _names(text: str) -> list[str]:
    """The names in a list; what names none is one that there is not."""
    return text.replace(",", " ").split() or [""]


def _is_comment(line: str) -> bool:
    return line.lstrip()[:1] in ("#", ";", "")


def _lines(finding: LintFinding, workload: Workload | None) -> set[int]:
    """The lines that a comment may stand at to mean this finding."""
    place = finding.place
    first = place.line
    for variable in workload.variables if workload is not None else ():
        if variable.place.start == place.start and variable.place == place and variable.entry.file == place.file:
            first = min(first, variable.entry.line)
    return {*range(first, place.line + 1)}
