"""The rules of what is written, in the order in which equally bad findings of one line are shown. They need no process and no Go.

What the rules for processes say of a manifest, they say there too (cgtune.lint.route); these are beside them.
"""

from __future__ import annotations

from cgtune.lint.rules import (
    divisor_missing,
    env_duplicate,
    env_value_not_string,
    field_ref_other_container,
    gomaxprocs_divisor,
    gomaxprocs_from_node,
    gomaxprocs_from_request,
    gomemlimit_divisor,
    gomemlimit_from_node,
    gomemlimit_low,
    gomemlimit_without_limit,
    limit_dropped,
    limit_malformed,
    pod_limit_shared,
    stale_after_resize,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from cgtune.lint.model import LintFinding
    from cgtune.lint.rules.case import LintCase
    from cgtune.model import Severity

    class ManifestRule(Protocol):
        """A module of this shelf; its docstring is what ``cgtune explain`` prints."""

        ID: str
        SEVERITY: Severity
        SUMMARY: str
        __doc__: str | None

        def judge(self, case: LintCase) -> Iterator[LintFinding]:
            """The findings, none if there is nothing to say."""


MANIFEST_RULES: tuple[ManifestRule, ...] = (
    env_value_not_string,
    limit_malformed,
    limit_dropped,
    env_duplicate,
    gomaxprocs_divisor,
    gomemlimit_divisor,
    field_ref_other_container,
    gomaxprocs_from_node,
    gomemlimit_from_node,
    pod_limit_shared,
    stale_after_resize,
    gomemlimit_low,
    gomemlimit_without_limit,
    gomaxprocs_from_request,
    divisor_missing,
)

#: These are true whatever program the container runs.
ANY_CONTAINER = ("env-value-not-string", "limit-malformed", "limit-dropped")

#: Cause, and the symptoms that need no finding of their own beside it: of the same container, and of the same variable where they have one.
SILENCES: dict[str, tuple[str, ...]] = {
    "gomemlimit-divisor": ("gomemlimit-too-small", "gomemlimit-low", "gomemlimit-without-limit"),
    "gomaxprocs-divisor": (
        *("gomaxprocs-exceeds-quota", "gomaxprocs-pinned", "gomaxprocs-below-quota", "fractional-quota", "whole-quota-no-slack"),
    ),
    "gomaxprocs-from-node": ("gomaxprocs-exceeds-quota", "no-quota-many-cpus"),
    "gomemlimit-from-node": ("gomemlimit-without-limit",),
    "gomemlimit-exceeds-limit": ("pod-limit-shared",),
    "gomemlimit-too-small": ("gomemlimit-low", "gomemlimit-without-limit"),
    "memory-limit-too-small": ("gomemlimit-low",),
    "limit-dropped": ("gomemlimit-without-limit",),
    "stale-after-resize": ("gomaxprocs-pinned",),
}
