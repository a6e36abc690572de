"""What a finding needs of its file's text: the line that is quoted, and the places of its edits in lines and columns. Pure."""

from __future__ import annotations

from cgtune.manifests.workload import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cgtune.lint.model import Edit, LintFinding


def quote(finding: LintFinding, texts: Mapping[str, str]) -> LintFinding:
    """The finding with its line and the places of its edits, as far as the texts of their files are there."""
    text = texts.get(finding.place.file)
    if text is not None:
        finding = finding.replace(quote=line_at(text, finding.place.start))
    if finding.fix is None:
        return finding
    edits = tuple(_placed(edit, texts.get(edit.file)) for edit in finding.fix.edits)
    return finding.replace(fix=finding.fix.replace(edits=edits))


def line_at(text: str, start: int) -> str:
    """The line in which the character of that number stands, without its end."""
    begin = text.rfind("\n", 0, start) + 1
    end = text.find("\n", start)
    return text[begin : len(text) if end < 0 else end].rstrip("\r")


def place_of(file: str, text: str, start: int, end: int) -> Place:
    """The characters ``start`` to ``end`` as lines and columns."""
    line, column = _position(text, start)
    end_line, end_column = _position(text, end)
    return Place(file=file, line=line, column=column, end_line=end_line, end_column=end_column, start=start, end=end)


def _placed(edit: Edit, text: str | None) -> Edit:
    return edit if text is None else edit.replace(place=place_of(edit.file, text, edit.start, edit.end))


def _position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a character, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
