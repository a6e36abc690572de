"""What the Go linker wrote about a program into the program: its Go version, modules and build settings.

Formats: debug/buildinfo/buildinfo.go and runtime/debug/mod.go (Go 1.27.3); both forms of the header, inline since Go 1.18 and with pointers
from 1.13 to 1.17. Where the section headers are gone we search the writable segments, as every Go up to 1.26 did; 1.27's own
``go version`` no longer does.
What is not covered: programs of gccgo and TinyGo (they carry no such record), and those whose record was wiped (garble writes "unknown").
"""

from __future__ import annotations

from cgtune.elf import parse_elf, parse_image
from cgtune.errors import Malformed
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from cgtune.elf import Elf, ReadAt

    Order = Literal["big", "little"]

_MAGIC = b"\xff Go buildinf:"
_HEADER_BYTES = 32
_ALIGNMENT = 16
_MOST_VERSION_BYTES = 256
_MOST_MODINFO_BYTES = 1 << 20  # 40 KB in a program with 300 modules
_MOST_LINES = 20_000
_MOST_SEARCHED_BYTES = 32 << 20
_FIRST_SEARCHED_BYTES = 64 << 10  # what Go 1.21 searches; the linker puts the record first in its segment
_MOST_CANDIDATES = 16


class GoVersion(Record):
    """A toolchain's version: go1.26rc1 is 1.26.0 with prerelease "rc1". ``text`` is what the program says of itself, whole."""

    major: int
    minor: int
    patch: int
    prerelease: str  # "rc1", "beta1" or ""
    development: bool  # "devel go1.28-abcdef": rules may be those of 1.27 or of 1.28
    experiments: tuple[str, ...]
    text: str

    def at_least(self, major: int, minor: int, patch: int = 0) -> bool:
        """Whether this is that version or a newer one; a prerelease counts as its release."""
        return (self.major, self.minor, self.patch) >= (major, minor, patch)


class BuildInfo(Record):
    """The record of one program. Texts are printable: control characters come as backslash escapes.

    ``modules`` are the dependencies as (path, version); a replaced one keeps its path, and its version reads "v1.2.3 => path v1.2.4".
    ``settings`` are the build settings, among them DefaultGODEBUG and -ldflags. All but ``version`` are empty where the program was
    built without modules.
    """

    version: str
    go: GoVersion | None  # None: the version is in no form that we know ("unknown", "devel +abcdef")
    path: str
    main_module: str
    main_version: str
    modules: tuple[tuple[str, str], ...]
    settings: Mapping[str, str]
    raw: str


def read_build_info(elf: Elf) -> BuildInfo | None:
    """The Go build info of an executable or library, or None: not a Go program.

    Raises Malformed where there is a record whose lengths or pointers do not hold.
    """
    section = elf.section(".go.buildinfo")
    if section is not None and (found := _read_within(elf, section.address, section.size_bytes)) is not None:
        return found
    # Section names are there but ours is not: nearly always not a Go program, and then the answer has to be quick.
    bound = _FIRST_SEARCHED_BYTES if elf.section(".text") is not None else _MOST_SEARCHED_BYTES
    for part in elf.segments:
        if part.writable and bound > 0:
            size = min(part.file_bytes, bound)
            if (found := _read_within(elf, part.address, size)) is not None:
                return found
            bound -= size
    return None


def read_go_program(read_at: ReadAt) -> tuple[Elf, BuildInfo] | None:
    """The headers and build info of a file, or None where it is no ELF program or none of Go's. Raises Malformed for a broken record."""
    if read_at(0, 4) != b"\x7fELF":
        return None
    try:
        elf = parse_elf(read_at)
    except Malformed:
        return None  # the kernel does not start these either
    found = read_build_info(elf)
    return None if found is None else (elf, found)


def read_go_image(read_memory: ReadAt, base: int) -> tuple[Elf, BuildInfo, int] | None:
    """The same for a program of which only the memory is known, its ELF header at ``base``; and its bias. None: not one of Go's."""
    try:
        elf, bias = parse_image(read_memory, base)
    except Malformed:
        return None
    found = read_build_info(elf)
    return None if found is None else (elf, found, bias)


def parse_version(text: str) -> GoVersion | None:
    """A Go version string, "go1.25.5 X:synctest" or "devel go1.28-abcdef ...", or None where it names no version."""
    words = text.split()
    development = bool(words) and words[0] == "devel"
    word = words[1] if development and len(words) > 1 else words[0] if words else ""
    if not word.startswith("go"):
        return None
    major, rest = _split_number(word[2:])
    if major is None or not rest.startswith("."):
        return None
    minor, rest = _split_number(rest[1:])
    if minor is None:
        return None
    patch, after = _split_number(rest[1:]) if rest.startswith(".") else (None, rest)
    prerelease = ""
    for kind in ("rc", "beta"):
        if after.startswith(kind):
            number, _ = _split_number(after[len(kind) :])
            prerelease = f"{kind}{number}" if number is not None else kind
    # Older and newer forms of both: "devel go1.24-abcdef", "go1.25-devel_abcdef"; "go1.25.5 X:jsonv2", "go1.27.3-X:nojsonv2" (seen)
    development = development or "-devel" in word
    experiments = next((item.partition("X:")[2] for item in words if item.startswith("X:") or "-X:" in item), "")
    return GoVersion(
        major=major,
        minor=minor,
        patch=patch or 0,
        prerelease=prerelease,
        development=development,
        experiments=tuple(name for name in experiments.split(",") if name),
        text=text,
    )


def _split_number(text: str) -> tuple[int | None, str]:
    length = 0
    while length < len(text) and length < 9 and text[length] in "0123456789":
        length += 1
    return (int(text[:length]), text[length:]) if length else (None, text)


def _read_within(elf: Elf, address: int, size: int) -> BuildInfo | None:
    # Hits off the alignment are constants in the code of programs that read such records, this one's relatives
    for candidate, at in enumerate(elf.find(_MAGIC, address, size, alignment=_ALIGNMENT)):
        if candidate == _MOST_CANDIDATES:
            break
        if (found := _read_record(elf, at)) is not None:
            return found
    return None


def _read_record(elf: Elf, address: int) -> BuildInfo | None:
    # header: 1 magic (14 bytes) 2 pointer size 3 flags: bit 0 big-endian pointers, bit 1 inline strings; padded to 32 bytes
    head = elf.read_address(address, 4096)
    if len(head) < _HEADER_BYTES:
        raise Malformed(f"Go build info at {address:#x} is cut after {len(head)} bytes")
    pointer_bytes, flags = head[14], head[15]
    if flags & 2:
        version, end = _read_inline(elf, head, address, _HEADER_BYTES, _MOST_VERSION_BYTES)
        modinfo, _ = _read_inline(elf, head, address, end, _MOST_MODINFO_BYTES)
    else:
        if pointer_bytes not in (4, 8):
            raise Malformed(f"Go build info with pointers of {pointer_bytes} bytes")
        order: Order = "big" if flags & 1 else "little"

        def follow(at: int, limit: int) -> bytes:
            return _read_string(elf, int.from_bytes(head[at : at + pointer_bytes], order), pointer_bytes, order, limit)

        version = follow(16, _MOST_VERSION_BYTES)
        modinfo = follow(16 + pointer_bytes, _MOST_MODINFO_BYTES)
    return parse_build_info(version, modinfo) if version else None


def _read_inline(elf: Elf, head: bytes, address: int, at: int, limit: int) -> tuple[bytes, int]:
    """A string with its length before it; ``at`` counts from the record's start. ``head`` is what was read already."""
    size, start = _parse_uvarint(head[at : at + 10] if at + 10 <= len(head) else elf.read_address(address + at, 10))
    if size > limit:
        raise Malformed(f"Go build info claims a string of {size} bytes")
    end = at + start + size
    text = head[at + start : end] if end <= len(head) else elf.read_address(address + at + start, size)
    if len(text) < size:
        raise Malformed(f"Go build info claims {size} bytes, {len(text)} are there")
    return text, end


def _parse_uvarint(data: bytes) -> tuple[int, int]:
    """An unsigned number in base 128, low digits first, and how many bytes it took."""
    value = 0
    for index, byte in enumerate(data[:10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, index + 1
    raise Malformed(f"Go build info: a length without end: {data[:10]!r}")


def _read_string(elf: Elf, header: int, pointer_bytes: int, order: Order, limit: int) -> bytes:
    """A Go string by the address of its header {pointer, length}; 0 is the empty one."""
    if header == 0:
        return b""
    words = elf.read_address(header, 2 * pointer_bytes)
    if len(words) < 2 * pointer_bytes:
        raise Malformed(f"Go build info points to {header:#x}, outside the file")
    data = int.from_bytes(words[:pointer_bytes], order)
    size = int.from_bytes(words[pointer_bytes:], order)
    if size > limit:
        raise Malformed(f"Go build info claims a string of {size} bytes")
    text = elf.read_address(data, size) if size else b""
    if len(text) < size:
        raise Malformed(f"Go build info claims {size} bytes at {data:#x}, {len(text)} are there")
    return text


def parse_build_info(version: bytes, modinfo: bytes) -> BuildInfo:
    """The two strings of the record. ``modinfo`` is framed by 16 bytes on both sides; without that frame there is none.

    Lines, fields split by tabs: path P | mod M V [sum] | dep M V [sum] | => M V [sum] (replaces the one above) | build KEY=VALUE
    """
    framed = len(modinfo) >= 33 and modinfo[-17:-16] == b"\n"
    raw = modinfo[16:-16].decode("utf-8", "backslashreplace") if framed else ""
    lines = raw.split("\n", _MOST_LINES + 1)
    if len(lines) > _MOST_LINES:
        raise Malformed(f"Go build info of more than {_MOST_LINES} lines")
    path = ""
    main = ("", "")
    modules: list[tuple[str, str]] = []
    settings: dict[str, str] = {}
    replaces_main = False
    for line in lines:
        kind, _, rest = line.partition("\t")
        if kind == "path":
            path = _printable(rest)
        elif kind in ("mod", "dep", "=>"):
            name, _, tail = rest.partition("\t")
            entry = (_printable(name), _printable(tail.partition("\t")[0]))
            if kind == "mod":
                main, replaces_main = entry, True
            elif kind == "dep":
                modules.append(entry)
                replaces_main = False
            elif replaces_main:
                main = (main[0], _replaced(main, entry))
            elif modules:
                modules[-1] = (modules[-1][0], _replaced(modules[-1], entry))
        elif kind == "build":
            key, value = _parse_setting(rest)
            settings.setdefault(_printable(key), _printable(value))
    said = _printable(version.decode("utf-8", "backslashreplace"))
    return BuildInfo(
        version=said,
        go=parse_version(said),
        path=path,
        main_module=main[0],
        main_version=main[1],
        modules=tuple(modules),
        settings=_read_only(settings),
        raw=raw,
    )


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


def _printable(text: str) -> str:
    """``text`` with control characters as backslash escapes: it comes from a stranger's file and ends on a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _read_only(settings: dict[str, str]) -> Mapping[str, str]:
    proxy: Callable[[dict[str, str]], Mapping[str, str]] = type(type.__dict__)  # types.MappingProxyType, without importing types
    return proxy(settings)
