"""Fixes of manifests: mended in memory until nothing is left to mend, then shown as a diff, or written, each file whole or not at all."""

from __future__ import annotations

import errno
import os

from cgtune.errors import Unwritable, reason
from cgtune.records import Record
from cgtune.system.inputfiles import MOST_BYTES, open_to_read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from cgtune.lint.model import Fix, LintFinding

_MOST_ROUNDS = 10  # one fix may make another possible; two that undo each other would go on for ever


class Mended(Record):
    """What came of it: the new texts of the files that changed, beside those that they had, and how many findings were mended."""

    before: Mapping[str, str]
    after: Mapping[str, str]
    count: int


def mend(
    find: Callable[[Mapping[str, str]], Iterator[tuple[LintFinding, str]]],
    kinds: Collection[str],
    keep: Callable[[str], bool],
) -> Mended:
    """The files without what fixes of these kinds mend.

    ``find`` gives the findings, each with its file's text, if the files had these texts; ``keep`` says of a file that it stays as it is.
    """
    from cgtune.lint.fixing import choose

    before: dict[str, str] = {}
    after: dict[str, str] = {}
    count = 0
    for _ in range(_MOST_ROUNDS):
        fixes: list[Fix] = []
        texts: dict[str, str] = {}
        for finding, text in find(after):
            fix = finding.fix
            if fix is not None and fix.kind in kinds and not any(keep(edit.file) for edit in fix.edits):
                fixes.append(fix)
                texts[finding.place.file] = text
        chosen = choose([fix for fix in fixes if all(edit.file in texts for edit in fix.edits)])
        if not chosen:
            break
        count += len(chosen)
        for file in dict.fromkeys(edit.file for fix in chosen for edit in fix.edits):
            before.setdefault(file, texts[file])
            after[file] = _applied(file, texts[file], chosen)
    changed = [file for file in before if before[file] != after[file]]
    return Mended(before={file: before[file] for file in changed}, after={file: after[file] for file in changed}, count=count)


def render_diff(mended: Mended, *, is_shown: bool = False) -> str:
    """What has changed, as `patch -p0` and `git apply -p0` take it; if it is shown on a terminal, without what could steer that."""
    from difflib import unified_diff

    from cgtune.outputs.escape import escape_control

    parts: list[str] = []
    for file in sorted(mended.after):
        old, new = (_lines(texts[file]) for texts in (mended.before, mended.after))
        changes = unified_diff(old, new, escape_control(file), escape_control(file))
        parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changes]
    if is_shown:
        parts = [f"{escape_control(line[:-1].expandtabs())}\n" for line in parts]
    return "".join(parts)


def write_mended(mended: Mended) -> None:
    """Write the files that changed. Raises Unwritable, and writes nothing if one of them is not what it was when it was read."""
    from cgtune.system.outputfile import rewrite_file

    contents: dict[str, bytes] = {}
    for file, text in mended.before.items():
        if _read(file) != text.encode():
            raise Unwritable(f"{file!r} has changed since it was read; nothing was mended, run cgtune lint again")
        contents[file] = mended.after[file].encode()
    for count, (file, content) in enumerate(contents.items()):
        try:
            rewrite_file(file, content, "--fix")
        except Unwritable as error:
            done = f"{count} of {len(contents)} files are mended; " if count else ""
            raise Unwritable(f"{done}{error}") from error


def is_elsewhere(file: str) -> str | None:
    """Why a file is not written: it is a link, and the file that it leads to was not named. None: it may be written."""
    try:
        return f"{file} is a symbolic link to {os.readlink(file)}, which is not followed: name that file"
    except OSError as error:
        return None if error.errno == errno.EINVAL else f"{file}: {reason(error)}"


def _applied(file: str, text: str, fixes: Collection[Fix]) -> str:
    from cgtune.lint.fixing import apply

    own = (fix.replace(edits=tuple(edit for edit in fix.edits if edit.file == file)) for fix in fixes)
    return apply(text, [fix for fix in own if fix.edits])


def _lines(text: str) -> list[str]:
    """Its lines with their ends; a carriage return alone ends none, as for diff(1)."""
    lines = text.split("\n")
    return [*(f"{line}\n" for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]


def _read(file: str) -> bytes:
    try:
        with open_to_read(file) as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unwritable(f"{file!r}: {error.strerror}; nothing was mended") from error
