"""What a finding needs of its file's text: the line that is quoted, and the places of its edits in lines and columns. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cgtune.lint.model import LintFinding
    from cgtune.manifests.places import Lines


def quote(finding: LintFinding, texts: Mapping[str, Lines]) -> LintFinding:
    """The finding with its line and the places of its edits, as far as the texts of their files are there."""
    lines = texts.get(finding.place.file)
    if lines is not None:
        finding = finding.replace(quote=lines.around(finding.place.start))
    if finding.fix is None:
        return finding
    edits = tuple(
        edit.replace(place=texts[edit.file].place(edit.start, edit.end)) if edit.file in texts else edit for edit in finding.fix.edits
    )
    return finding.replace(fix=finding.fix.replace(edits=edits))
