"""A Go program without build info: what else in it tells that it is Go's, its version, its modules and build settings.

The linker writes each of these texts twice: into the build info, which ``go version`` reads, and into two string variables of the runtime,
runtime.buildVersion and runtime.modinfo (cmd/link/internal/ld/data.go, buildinfo). A post-processor that drops the section .go.buildinfo or
wipes its magic leaves the variables alone, for the program reads them itself. Seen in npm's @esbuild/linux-x64 from 0.27.0 on. LLD drops
the section (turbo 1.8), and Go before 1.13 wrote none.
What is not covered: programs whose version was scrambled (garble), or in which several version strings stand in variables.
"""

from __future__ import annotations

import struct

from cgtune.errors import Malformed
from cgtune.runtimes.go.program.functiontable import SECTIONS, locate_function_table
from cgtune.runtimes.go.program.modinfo import parse_build_info
from cgtune.runtimes.go.program.version import parse_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from cgtune.runtimes.elf import Elf
    from cgtune.runtimes.go.program.modinfo import BuildInfo

#: Sections that no other linker makes: cmd/link/internal/ld/data.go, 1.4 to 1.27.
_SECTIONS = (*SECTIONS, ".go.module", ".go.buildinfo", ".note.go.buildid", ".gosymtab", ".typelink", ".itablink")
#: The end of the header of the note with Go's build ID, and its name: type 4, "Go" (cmd/link/internal/ld/elf.go).
_NOTES = {True: b"\x04\0\0\0Go\0\0", False: b"\0\0\0\x04Go\0\0"}

_FIRST_RECORDED = 13  # the first Go that wrote build info into every program
_OLD_MAGICS = (0xFFFFFFFB, 0xFFFFFFFA)  # Go 1.2 to 1.15, and 1.16 and 1.17

# cmd/go/internal/modload/build.go: what frames the text
_START = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
_END = bytes.fromhex("f932433186182072008242104116d8f2")
_MOST_MODINFO_BYTES = 1 << 20
_MOST_SEARCHED_BYTES = 64 << 20
_MOST_DATA_BYTES = 8 << 20
_MOST_TEXTS = 32_768  # variables that are looked at; 8 200 in the compiler, 5 300 in a small program that the C compiler linked
_VERSION_BYTES = range(5, 65)


def recover_build_info(elf: Elf, head: bytes, bias: int = 0) -> BuildInfo | None:
    """What a program without build info tells of itself all the same; None if nothing in it smells of Go.

    ``head`` are its first 4 KiB; ``bias`` is what the pointers in its data have been moved by, if it is read from memory. Raises Malformed
    if it smells of Go and has no function table that can be read: packed perhaps, or damaged. The version is "unknown" if it is not found.
    """
    named = any(elf.section(name) is not None for name in _SECTIONS)
    noted = _NOTES[elf.little_endian] in head
    if not named and not noted and elf.sections:
        return None
    try:
        if not _has_old_table(elf):
            locate_function_table(elf)
    except Malformed:
        if not named and not noted:
            return None
        sign = "a section of Go's linker" if named else "a build ID of Go's linker"
        raise Malformed(f"it has {sign}, but neither build info nor a function table that can be read: is it packed?") from None
    version = _find_version(elf, bias)
    record: Literal["empty", "missing"] = "missing" if elf.section(".go.buildinfo") is None else "empty"
    return parse_build_info(version or b"unknown", _find_modinfo(elf)).replace(record=record)


def tell_record(info: BuildInfo) -> str:
    """Why what is said of this program does not come from its build info; whether somebody removed that cannot be known."""
    if info.record == "empty":
        said = "its section .go.buildinfo names no version"
    elif info.go is not None and not info.go.at_least(1, _FIRST_RECORDED):
        said = f"it has no build info, which Go writes since 1.{_FIRST_RECORDED}"
    else:
        said = "it has no build info"
    return f"{said}: what stands here of the program was read from variables of the runtime"


def _has_old_table(elf: Elf) -> bool:
    """Whether its function table is of Go before 1.18, which wrote no build info before 1.13: cmd/internal/objfile, debug/gosym."""
    section = next((section for name in SECTIONS if (section := elf.section(name)) is not None), None)
    head = b"" if section is None else elf.read_address(section.address, 8)
    return (
        len(head) == 8 and struct.unpack(elf.format("I"), head[:4])[0] in _OLD_MAGICS and head[4:6] == b"\0\0" and head[7] * 8 == elf.bits
    )


def _find_modinfo(elf: Elf) -> bytes:
    """The framed text of runtime.modinfo, b"" if there is none."""
    section = elf.section(".rodata")
    if section is not None:
        places = [(section.address, section.size_bytes)]
    else:
        places = [(part.address, part.file_bytes) for part in sorted(elf.segments, key=lambda part: (part.writable, part.executable))]
    left = _MOST_SEARCHED_BYTES
    for address, size in places:
        for at in elf.find(_START, address, min(size, left)):
            text = elf.read_address(at, _MOST_MODINFO_BYTES)
            end = text.find(_END)
            if end > 0 and text[len(_START) :].startswith((b"path\t", b"mod\t", b"build\t")):
                return text[: end + len(_END)]
        left -= min(size, left)
    return b""


def _find_version(elf: Elf, bias: int) -> bytes | None:
    """The text of runtime.buildVersion: the one Go version among the string variables; None if there is none, or another beside it."""
    found = {
        text for text in _string_variables(elf, bias) if text.startswith((b"go1.", b"devel ")) and parse_version(text.decode("latin-1"))
    }
    return found.pop() if len(found) == 1 else None


def _string_variables(elf: Elf, bias: int) -> Iterator[bytes]:
    """The texts of variables that may be strings as long as a version: {pointer, length} in writable data, the pointer into the program."""
    size = elf.bits // 8
    code = "Q" if size == 8 else "I"
    left, tried = _MOST_DATA_BYTES, 0
    lowest = min(part.address for part in elf.segments)
    highest = max(part.address + part.file_bytes for part in elf.segments)
    for part in elf.segments:
        if not part.writable or part.executable:
            continue
        data = elf.read_address(part.address, min(part.file_bytes, left))
        left -= len(data)
        count = len(data) // size
        words = struct.unpack(elf.format(f"{count}{code}"), data[: count * size])
        for index in range(count - 1):
            if words[index + 1] in _VERSION_BYTES and lowest <= words[index] - bias < highest:
                tried += 1
                if tried > _MOST_TEXTS:
                    return
                yield elf.read_address(words[index] - bias, words[index + 1])
