"""``cgtune ps`` below its options: the Go processes in one write."""

from __future__ import annotations

from cgtune.commands.showing import show
from cgtune.commands.terminal import LOOKING, Telling
from cgtune.model import Policy
from cgtune.records import Record
from cgtune.targets import NOBODY, Whom


class PsOptions(Record):
    """Where to look, and how to show it."""

    root: str = "/"
    format: str = "table"
    policy: Policy = Policy()
    machinery: bool = False
    color: str = "auto"
    whom: Whom = NOBODY


def run_ps(options: PsOptions) -> None:
    """Look, judge and print. Raises what api.list_go raises, and Unwritable."""
    from cgtune import api

    with Telling(LOOKING):
        report = api.list_go(root=options.root, policy=options.policy, machinery=options.machinery, whom=options.whom)
    show("ps", options.format, report, colour=options.color)
