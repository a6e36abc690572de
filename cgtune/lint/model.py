"""The records of lint: how it is to judge, what it found and what would mend it. Pure."""

from __future__ import annotations

from cgtune.model import SEVERITIES, Policy
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.manifests.workload import Place, Skipped
    from cgtune.model import Advice, Harm, RuleText, Severity
    from cgtune.runtimes.go.offline import OfflineProgram


class Edit(Record):
    """Characters ``start`` to ``end`` of a file are replaced; equal: ``text`` is put in. The line ends are the file's own.

    ``place`` is the same span in lines and columns, None as long as nobody has looked it up (quoting.py).
    """

    file: str
    start: int
    end: int
    text: str
    place: Place | None = None


class Fix(Record):
    """What mends a finding in its file. "safe": it says what the manifest meant to say; "unsafe": it changes what the program gets."""

    kind: Literal["safe", "unsafe"]
    edits: tuple[Edit, ...]


class LintFinding(Record):
    """A finding of a manifest. ``place`` is where the wrong value stands; of what is missing, the container's name.

    ``go`` says for which Go versions it holds, None: for all. ``is_pedantic``: it is shown only if asked for. ``subject`` and ``container``
    are those of the workload; ``hint`` is what to change where a rendered file comes from (a kustomize patch, a Helm value), None: nothing.
    ``quote`` is the line in which the place begins, None as long as nobody has looked it up (quoting.py).
    """

    rule: str
    severity: Severity
    place: Place
    subject: str
    container: str
    summary: str
    evidence: tuple[str, ...]
    advice: tuple[Advice, ...]
    go: str | None = None
    harm: Harm = "possible"
    is_pedantic: bool = False
    source: str | None = None
    fix: Fix | None = None
    hint: str | None = None
    quote: str | None = None


class Go(Record):
    """Which Go program a container runs. ``program`` None: of a version that nobody said. ``known_from`` says how it is known, in words.

    ``is_unread``: somebody said the version, or an image holds it, and it could not be told.
    """

    program: OfflineProgram | None
    known_from: str
    is_unread: bool = False


class Node(Record):
    """The node that a manifest is to run on, as far as somebody said; what a field reference without a limit falls back to."""

    cpus: float | None = None
    memory_bytes: int | None = None


class Settings(Record):
    """How lint judges. ``go_patterns`` are (image pattern, version); ``ignored`` are rules' ids."""

    node: Node = Node()
    policy: Policy = Policy()
    go_patterns: tuple[tuple[str, str], ...] = ()
    ignored: frozenset[str] = frozenset()
    is_pedantic: bool = False


class LintReport(Record):
    """What lint found, in the order of file and line. ``files`` are those read; ``skipped`` is what tells of no container, ``unseen`` what
    of a container could not be judged. ``containers``: how many were judged, ``silenced``: how many
    findings a comment, an annotation, the config or the baseline silenced. ``fail_on`` is the least severity that fails.
    """

    version: str
    files: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    findings: tuple[LintFinding, ...]
    rules: tuple[RuleText, ...]
    containers: int
    silenced: int = 0
    unseen: tuple[Skipped, ...] = ()
    fail_on: Severity = "warning"

    @property
    def failures(self) -> tuple[LintFinding, ...]:
        """The findings that fail."""
        return tuple(one for one in self.findings if self.fails(one))

    def fails(self, finding: LintFinding) -> bool:
        """Whether this finding is bad enough to fail."""
        return SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.fail_on)
