"""Pieces that the pages have in common: badges, findings, lists. HTML in text; whatever comes from elsewhere is escaped here."""

from __future__ import annotations

from cgtune.outputs.escape import escape_markup
from cgtune.outputs.words import advice_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.model import Finding, Harm

_BADGES: dict[Harm, str] = {"now": "hurts now", "earlier": "hurt earlier", "possible": "may hurt"}


def render_badge(finding: Finding) -> str:
    """How bad it is, and whether it was felt."""
    return f'<span class="badge {finding.harm}">{_BADGES[finding.harm]} · {finding.severity}</span>'


def render_finding(finding: Finding) -> str:
    """A finding with what shows it and what to do."""
    seen = "".join(f"<li>{escape_markup(line)}</li>" for line in finding.evidence)
    acts = "".join(f'<li class="do">{escape_markup(advice_words(advice))}</li>' for advice in finding.advice)
    return (
        f'<section class="finding f-{finding.harm}">\n'
        f"<p>{render_badge(finding)}<strong>{escape_markup(finding.summary)}</strong> <code>{escape_markup(finding.rule)}</code></p>\n"
        f"<ul>{seen}</ul>\n<p>What to do</p>\n<ul>{acts}</ul>\n</section>\n"
    )


def render_list(title: str, notes: Sequence[str]) -> str:
    """A list below a title, each line once; nothing if it has none."""
    if not notes:
        return ""
    lines = "".join(f"<li>{escape_markup(note)}</li>" for note in dict.fromkeys(notes))
    return f'<h3>{title}</h3>\n<ul class="notes">{lines}</ul>\n'
