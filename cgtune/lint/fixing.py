"""Fixes applied to the text of one file: what they do not name stays as it is, to the last byte. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.lint.model import Edit, Fix


def choose(fixes: Sequence[Fix]) -> tuple[Fix, ...]:
    """Those that go together, the earlier ones first: a fix that wants another text at a place that is taken waits for the next time.

    Two fixes that make the same edit, as of containers that share their variables by an anchor, are both in it.
    """
    chosen: list[Fix] = []
    taken: set[Edit] = set()
    for fix in fixes:
        fresh = [edit for edit in fix.edits if edit not in taken]
        if any(_meet(edit, other) for edit in fresh for other in taken):
            continue
        chosen.append(fix)
        taken |= set(fix.edits)
    return tuple(chosen)


def apply(text: str, fixes: Sequence[Fix]) -> str:
    """The text of a file with those of these fixes that go together; all of their edits are of this file."""
    edits = sorted({edit for fix in choose(fixes) for edit in fix.edits}, key=lambda edit: (edit.start, edit.end))
    parts, done = [], 0
    for edit in edits:
        parts += [text[done : edit.start], edit.text]
        done = edit.end
    return "".join((*parts, text[done:]))


def _meet(one: Edit, other: Edit) -> bool:
    """Whether two edits touch: what is put in at one place by two has no order, and a text that is taken away has no middle."""
    if one.file != other.file:
        return False
    return one.start <= other.end and other.start <= one.end
