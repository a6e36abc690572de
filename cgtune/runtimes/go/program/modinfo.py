"""The text of Go's build info: version, modules and build settings (runtime/debug/mod.go, Go 1.27.3)."""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.records import Record
from cgtune.runtimes.go.program.version import parse_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from cgtune.model import Compiler, Pairs
    from cgtune.runtimes.go.program.version import GoVersion

_MOST_LINES = 20_000
_MOST_TEXT = 192 << 10  # bytes that are taken apart: 40 KB in a program with 300 modules, some 150 KB with 1,400
_MOST_LATER_LINES = 128  # beyond them, of those that rules ask for, and of the settings, which stand last
_MOST_LATER_TEXT = 64 << 10
_MOST_NAME = 1024  # characters of a path or a version


class BuildInfo(Record):
    """The record of one program. Texts are printable: control characters come as backslash escapes.

    ``modules`` are the dependencies as (path, version); a replaced one keeps its path, and its version reads "v1.2.3 => path v1.2.4".
    ``settings`` are the build settings, among them DefaultGODEBUG and -ldflags. All but ``version`` are empty if the program was
    built without modules. ``linked`` are known libraries and functions that decide settings (see GoProgram), by their function names.
    ``compiler`` is "gc" for Go's own and "gccgo" for GCC's; ``has_runtime`` is False for a part of a gccgo program whose runtime is in
    another file, or cannot be found. ``record``: if it is not "read", the texts were found elsewhere in the program, as its
    section holds none that names a version ("empty"), or is not there ("missing": removed, or never written).
    ``left_out`` counts the lines of dependencies and settings that are not kept, as there are too many; those that rules ask for are.
    """

    version: str
    go: GoVersion | None  # None: the version is in no form that we know ("unknown", "devel +abcdef")
    path: str
    main_module: str
    modules: tuple[tuple[str, str], ...]
    settings: Pairs
    linked: tuple[str, ...] = ()
    compiler: Compiler = "gc"
    has_runtime: bool = True
    record: Literal["read", "empty", "missing"] = "read"
    left_out: int = 0

    def within(self, most_bytes: int) -> BuildInfo:
        """The same with lists that take no more memory than that, but for what rules ask for."""
        from cgtune.runtimes.go.program.lists import shorten

        modules, settings, left_out = shorten(self.modules, self.settings, most_bytes)
        return self.replace(modules=modules, settings=settings, left_out=self.left_out + left_out) if left_out else self


def parse_build_info(version: bytes, modinfo: bytes) -> BuildInfo:
    """The two strings of the record. ``modinfo`` is framed by 16 bytes on both sides; without that frame there is none.

    Lines, fields split by tabs: path P | mod M V [sum] | dep M V [sum] | => M V [sum] (replaces the one above) | build KEY=VALUE
    """
    framed = len(modinfo) >= 33 and modinfo[-17:-16] == b"\n"
    from cgtune.runtimes.go.program.lists import MOST_LIST_BYTES

    lines, left_out = _bounded_lines(modinfo, 16, len(modinfo) - 16) if framed else ([], 0)
    fields = [line.partition("\t")[::2] for line in lines]
    main, modules = _parse_modules(fields)
    settings: dict[str, str] = {}
    for key, value in (_parse_setting(rest) for kind, rest in fields if kind == "build"):
        settings.setdefault(_printable(key), _printable(value))
    paths = [_name(rest) for kind, rest in fields if kind == "path"]
    said = _printable(version.decode("utf-8", "backslashreplace"))
    return BuildInfo(
        version=said,
        go=parse_version(said),
        path=paths[-1] if paths else "",
        main_module=main,
        modules=modules,
        settings=tuple(settings.items()),
        left_out=left_out,
    ).within(MOST_LIST_BYTES)


def _bounded_lines(raw: bytes, start: int, end: int) -> tuple[list[str], int]:
    """Returns (the lines to be taken apart, how many are left out): the first, and of those behind them what rules ask for."""
    if raw.count(b"\n", start, end) >= _MOST_LINES:
        raise Malformed(f"Go build info of more than {_MOST_LINES} lines")
    if end - start <= _MOST_TEXT:
        return _text(raw[start:end]).split("\n"), 0
    from cgtune.runtimes.go.program.lists import ASKED_LINES

    cut = max(start, raw.rfind(b"\n", start, start + _MOST_TEXT) + 1)
    lines, first, rest, later, before = _text(raw[start:cut]).split("\n"), list[str](), list[str](), 0, ""
    for line in _split(raw, cut, end):
        later += bool(line)
        if line.startswith(ASKED_LINES) or (line.startswith("=>") and before.startswith(ASKED_LINES)):
            first += [line] if len(first) < _MOST_LATER_LINES else []
        elif line.startswith("build\t") and len(rest) < _MOST_LATER_LINES:
            rest.append(line)
        before = line
    room, taken = _MOST_LATER_TEXT, 0
    for line in (*first, *rest):
        if len(line) <= room:
            lines.append(line)
            room -= len(line)
            taken += 1
    return lines, later - taken


def _split(raw: bytes, start: int, end: int) -> Iterator[str]:
    """The lines between, one at a time: 19,000 at once take two MiB."""
    while (at := raw.find(b"\n", start, end)) >= 0:
        yield _text(raw[start:at])
        start = at + 1
    yield _text(raw[start:end])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _parse_modules(fields: list[tuple[str, str]]) -> tuple[str, Pairs]:
    """The main module's path, and its dependencies, each as path and version, with what replaces them."""
    main = ""
    modules: list[tuple[str, str]] = []
    replaces_main = False
    for kind, rest in fields:
        if kind not in ("mod", "dep", "=>"):
            continue
        name, _, tail = rest.partition("\t")
        entry = (_name(name), _name(tail.partition("\t")[0]))
        if kind == "mod":
            main, replaces_main = entry[0], True
        elif kind == "dep":
            modules.append(entry)
            replaces_main = False
        elif modules and not replaces_main:
            modules[-1] = (modules[-1][0], _replaced(modules[-1], entry))
    return main, tuple(modules)


def _replaced(original: tuple[str, str], replacement: tuple[str, str]) -> str:
    path, version = replacement
    return f"{original[1]} => {path} {version}".rstrip()


def _parse_setting(text: str) -> tuple[str, str]:
    """KEY=VALUE, either side in Go quotes where it holds other than plain characters: -ldflags="-s -w"."""
    if text[:1] in ('"', "`"):
        key, rest = _parse_quoted(text)
        return key, _parse_quoted(rest[1:])[0] if rest.startswith("=") else ""
    key, _, value = text.partition("=")
    return key, _parse_quoted(value)[0]


_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'"}


def _parse_quoted(text: str) -> tuple[str, str]:
    """A Go string literal at the start of ``text`` and what follows; text without quotes is taken as it stands."""
    if text[:1] == "`" and "`" in text[1:]:
        inside, _, rest = text[1:].partition("`")
        return inside, rest
    if text[:1] != '"':
        return text, ""
    out: list[str] = []
    at = 1
    while at < len(text):
        letter = text[at]
        if letter == '"':
            return "".join(out), text[at + 1 :]
        if letter != "\\":
            out.append(letter)
            at += 1
            continue
        code = text[at + 1 : at + 2]
        digits = {"x": 2, "u": 4, "U": 8}.get(code, 0)
        if digits:
            number = _parse_hexadecimal(text[at + 2 : at + 2 + digits])
            out.append(chr(number) if number < 0x110000 else "\ufffd")
            at += 2 + digits
        else:
            out.append(_ESCAPES.get(code, code))
            at += 2
    return text, ""  # no closing quote: not a literal


def _parse_hexadecimal(digits: str) -> int:
    return int(digits, 16) if digits and all(digit in "0123456789abcdefABCDEF" for digit in digits) else 0xFFFD


def _name(text: str) -> str:
    """A path or a version: printable, and the beginning of what is longer than any real one."""
    return _printable(text) if len(text) <= _MOST_NAME else _printable(text[:_MOST_NAME]) + "..."


def _printable(text: str) -> str:
    """``text`` with control characters as backslash escapes: it comes from a stranger's file and ends on a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
