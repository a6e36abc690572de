"""Finds what the Go linker wrote about a program into the program: its Go version, modules and build settings, as modinfo.py has them.

Format: debug/buildinfo/buildinfo.go (Go 1.27.3); both forms of the header, inline since Go 1.18 and with pointers from 1.13 to 1.17. Where
the section headers are gone we search the writable segments, as every Go up to 1.26 did; 1.27's own ``go version`` no longer does.
Programs whose record was removed are traces.py's, those of gccgo, which have none, are gccgo.py's.
What is not covered: programs of TinyGo (they carry no such record), and those whose texts were scrambled (garble writes "unknown").
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.runtimes.elf import is_elf, parse_elf, parse_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.runtimes.elf import Elf, ReadAt
    from cgtune.runtimes.go.program.modinfo import BuildInfo

    Order = Literal["big", "little"]

_HEAD_BYTES = 4096
_MAGIC = b"\xff Go buildinf:"
_HEADER_BYTES = 32
_ALIGNMENT = 16
_MOST_VERSION_BYTES = 256
_MOST_MODINFO_BYTES = 1 << 20  # 40 KB in a program with 300 modules
_MOST_SEARCHED_BYTES = 32 << 20
_FIRST_SEARCHED_BYTES = 64 << 10  # what Go 1.21 searches; the linker puts the record first in its segment
_MOST_CANDIDATES = 16


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
    """The headers and build info of a file, or None if it is no ELF program or none of Go's.

    Raises Malformed for a broken record, and for a file that is Go's and tells nothing of itself.
    """
    head = read_at(0, _HEAD_BYTES)
    if not is_elf(head):
        return None
    try:
        elf = parse_elf(lambda offset, size: head[:size] if offset == 0 and size <= _HEAD_BYTES else read_at(offset, size))
    except Malformed:
        return None  # the kernel does not start these either
    elf = elf.replace(read_at=read_at)
    found = read_build_info(elf) or _read_without_record(elf, head)
    return None if found is None else (elf, found)


def read_go_image(read_memory: ReadAt, base: int) -> tuple[Elf, BuildInfo, int] | None:
    """The same for a program of which only the memory is known, its ELF header at ``base``; and its bias. None: not one of Go's.

    Raises Malformed as read_go_program does.
    """
    try:
        elf, bias = parse_image(read_memory, base)
    except Malformed:
        return None
    found = read_build_info(elf) or _read_without_record(elf, read_memory(base, _HEAD_BYTES), bias)
    return None if found is None else (elf, found, bias)


def _read_without_record(elf: Elf, head: bytes, bias: int = 0) -> BuildInfo | None:
    """What other traces tell; nothing for nearly all files, and then it costs no further read."""
    from cgtune.runtimes.go.program.gccgo import SECTION, read_gccgo
    from cgtune.runtimes.go.program.traces import recover_build_info

    return read_gccgo(elf) if elf.section(SECTION) is not None else recover_build_info(elf, head, bias)


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
    if not version:
        return None
    from cgtune.runtimes.go.program.modinfo import parse_build_info

    return parse_build_info(version, modinfo)


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
    if not words and elf.segment_at(header) is not None:
        # runtime.modinfo of Go 1.13 to 1.17, which nobody set: GOPATH builds, Bazel's rules_go. It lies in .bss, so it is zero.
        return b""
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
