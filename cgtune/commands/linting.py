"""What ``cgtune lint`` reads, judged and with what somebody silenced left out: a report for each file."""

from __future__ import annotations

import os

from cgtune.errors import CgtuneError, UsageError, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cgtune.commands.lint import LintOptions
    from cgtune.lint.model import LintFinding, LintReport
    from cgtune.lint.silencing import Silences
    from cgtune.manifests.workload import Skipped, Workload


class Linting:
    """The reading and judging of one run, which may look several times. ``silences`` and ``unread`` (files that could not be read, in
    words) are those of the last look.
    """

    silences: Silences
    unread: tuple[str, ...] = ()

    def __init__(self, options: LintOptions) -> None:
        """Raises UsageError for what the options name and is not so."""
