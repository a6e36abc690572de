"""ELF executables: bytes into segments and sections, over a reader that is handed in.

What is not covered: relocations, dynamic symbols, versions, notes, anything of object files. Nothing here trusts a count, an offset or a
length that the file states: each is bounded before it is used, because the file belongs to the process that is being looked at.
Layout: elf(5), System V ABI, "Object files".
"""

from __future__ import annotations

import struct

from cgtune.errors import Malformed
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    ReadAt = Callable[[int, int], bytes]

AMD64 = 62
ARM64 = 183

_HEAD_BYTES = 4096  # one read brings the header and, in every file a linker makes, the program headers behind it
_MOST_SEGMENTS = 256  # real executables have about ten
_MOST_SECTIONS = 4096  # real executables have about forty; more are taken as none
_MOST_NAME_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_MOST_HITS = 4096
_ADDRESS_LIMIT = 1 << 64
_MOST_OFFSET = (1 << 63) - 1  # what a file offset can be

# Elf64_Phdr: 1 p_type 2 p_flags 3 p_offset 4 p_vaddr 5 p_paddr 6 p_filesz 7 p_memsz 8 p_align
# Elf32_Phdr: 1 p_type 2 p_offset 3 p_vaddr 4 p_paddr 5 p_filesz 6 p_memsz 7 p_flags 8 p_align
_SEGMENT_FORMATS = {64: "IIQQQQQQ", 32: "IIIIIIII"}
# Elf64_Shdr, Elf32_Shdr: 1 sh_name 2 sh_type 3 sh_flags 4 sh_addr 5 sh_offset 6 sh_size 7 sh_link 8 sh_info 9 sh_addralign 10 sh_entsize
_SECTION_FORMATS = {64: "IIQQQQIIQQ", 32: "IIIIIIIIII"}
# behind e_ident: 1 e_type 2 e_machine 3 e_version 4 e_entry 5 e_phoff 6 e_shoff 7 e_flags 8 e_ehsize 9 e_phentsize 10 e_phnum
#                 11 e_shentsize 12 e_shnum 13 e_shstrndx
_HEADER_FORMATS = {64: "HHIQQQIHHHHHH", 32: "HHIIIIIHHHHHH"}


class Segment(Record):
    """A part of the file that is mapped at ``address`` (PT_LOAD only), as linked: a PIE lies elsewhere in memory."""

    address: int
    offset: int
    file_bytes: int
    memory_bytes: int
    readable: bool
    writable: bool
    executable: bool


class Section(Record):
    """A section header. ``size_bytes`` is what the header claims."""

    name: str
    kind: int
    address: int
    offset: int
    size_bytes: int
    link: int
    entry_bytes: int


class Elf(Record):
    """An executable or shared library. ``sections`` is empty where they were removed or make no sense; ``notes`` says so.

    ``read_at(offset, size)`` reads the file and may return fewer bytes. Where ``read_loaded`` is set, the program is known from memory
    only and that function reads it by linked address.
    """

    bits: int
    little_endian: bool
    position_independent: bool
    machine: int
    entry: int
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    read_at: ReadAt
    read_loaded: ReadAt | None = None
    notes: tuple[str, ...] = ()

    def format(self, codes: str) -> str:
        """A struct format in this file's byte order."""
        return ("<" if self.little_endian else ">") + codes

    def section(self, name: str) -> Section | None:
        """The first section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    def segment_at(self, address: int) -> Segment | None:
        """The segment that holds the byte at ``address``, in the file or behind it (zeroes)."""
        return next((part for part in self.segments if part.address <= address < part.address + part.memory_bytes), None)

    def read_address(self, address: int, size: int) -> bytes:
        """Up to ``size`` bytes at a linked address, none of them beyond the segment's part of the file."""
        for part in self.segments:
            if part.address <= address < part.address + part.file_bytes:
                size = min(size, part.address + part.file_bytes - address)
                if self.read_loaded is not None:
                    return self.read_loaded(address, size)
                return self.read_at(part.offset + address - part.address, size)
        return b""

    def find(self, pattern: bytes, address: int, size: int, *, alignment: int = 1) -> Iterator[int]:
        """Addresses at which ``pattern`` stands, ascending, in chunks of 1 MiB; Malformed where it stands at thousands of places."""
        end = address + size
        hits = 0
        while address < end:
            chunk = self.read_address(address, min(_CHUNK_BYTES + len(pattern) - 1, end - address))
            at = chunk.find(pattern)
            while at >= 0:
                if (address + at) % alignment == 0:
                    yield address + at
                at = chunk.find(pattern, at + 1)
                hits += 1
                if hits > _MOST_HITS:
                    raise Malformed(f"{pattern!r} at more than {_MOST_HITS} places")
            if len(chunk) < _CHUNK_BYTES:
                return
            address += _CHUNK_BYTES


def parse_elf(read_at: ReadAt) -> Elf:
    """The headers of an ELF file.

    Raises Malformed for anything that is not an ELF executable or whose program headers do not hold.
    """
    head = read_at(0, _HEAD_BYTES)

    def read(offset: int, size: int) -> bytes:
        return head[offset : offset + size] if offset + size <= len(head) else read_at(offset, size)

    return _parse_headers(head, read, read_at)


def parse_image(read_memory: ReadAt, base: int) -> tuple[Elf, int]:
    """The headers of an ELF file as mapped at ``base``, and the bias: what is to be added to a linked address.

    For programs whose file says nothing (packed ones, that unpack themselves into memory) or cannot be read. There are no sections.
    """
    elf = _parse_headers(read_memory(base, _HEAD_BYTES), lambda offset, size: read_memory(base + offset, size), None)
    first = next((part for part in elf.segments if part.offset == 0), None)
    if first is None:
        raise Malformed("no segment holds the ELF header")
    bias = base - first.address if elf.position_independent else 0
    if base - bias != first.address or bias < 0:
        raise Malformed(f"ELF header at {base:#x}, linked for {first.address:#x}")
    return elf.replace(read_loaded=lambda address, size: read_memory(bias + address, size)), bias


def is_elf(head: bytes) -> bool:
    """Whether these are the first bytes of an ELF file."""
    return head[:4] == b"\x7fELF"


def _parse_headers(head: bytes, read: ReadAt, read_sections: ReadAt | None) -> Elf:
    if not is_elf(head):
        raise Malformed(f"not an ELF file: it starts with {head[:4]!r}")
    if len(head) < 52 or head[4] not in (1, 2) or head[5] not in (1, 2):
        raise Malformed(f"ELF class and byte order {head[4:6]!r} in a header of {len(head)} bytes")
    bits = 64 if head[4] == 2 else 32
    order = "<" if head[5] == 1 else ">"
    header = struct.Struct(order + _HEADER_FORMATS[bits])
    if len(head) < 16 + header.size:
        raise Malformed(f"an ELF header of {len(head)} bytes")
    kind, machine, _, entry, segments_at, sections_at, *counts = header.unpack_from(head, 16)
    _, _, segment_bytes, segments, section_bytes, sections, names = counts
    if kind not in (2, 3):  # ET_EXEC, ET_DYN
        raise Malformed(f"ELF type {kind}: neither an executable nor a shared library")
    loads = _parse_segments(
        read, struct.Struct(order + _SEGMENT_FORMATS[bits]), _Table(offset=segments_at, count=segments, entry_bytes=segment_bytes)
    )
    found: tuple[Section, ...] = ()
    notes: tuple[str, ...] = ()
    if read_sections is not None and sections_at:
        try:
            table = _Table(offset=sections_at, count=sections, entry_bytes=section_bytes)
            found = _parse_sections(read, struct.Struct(order + _SECTION_FORMATS[bits]), table, names)
        except Malformed as error:
            notes = (f"section headers ignored: {error}",)
    return Elf(
        bits=bits,
        little_endian=head[5] == 1,
        position_independent=kind == 3,
        machine=machine,
        entry=entry,
        segments=loads,
        sections=found,
        read_at=read if read_sections is None else read_sections,
        notes=notes,
    )


class _Table(Record):
    offset: int
    count: int
    entry_bytes: int

    def read(self, read: ReadAt, layout: struct.Struct, most: int, what: str) -> bytes:
        claim = f"{self.count} {what} headers of {self.entry_bytes} bytes at {self.offset:#x}"
        if not 0 < self.count <= most or self.entry_bytes != layout.size or self.offset > _MOST_OFFSET:
            raise Malformed(claim)
        table = read(self.offset, self.count * layout.size)
        if len(table) < self.count * layout.size:
            raise Malformed(f"{claim}, beyond the end of the file")
        return table


def _parse_segments(read: ReadAt, layout: struct.Struct, table: _Table) -> tuple[Segment, ...]:
    segments = []
    for fields in layout.iter_unpack(table.read(read, layout, _MOST_SEGMENTS, "program")):
        if layout.size == 56:
            kind, flags, at, address, _, file_bytes, memory_bytes, _ = fields
        else:
            kind, at, address, _, file_bytes, memory_bytes, flags, _ = fields
        if kind != 1:  # PT_LOAD
            continue
        if address + max(file_bytes, memory_bytes) > _ADDRESS_LIMIT or at + file_bytes > _MOST_OFFSET:
            raise Malformed(f"a segment of {file_bytes:#x} bytes at offset {at:#x}, address {address:#x}")
        segments.append(
            Segment(
                address=address,
                offset=at,
                file_bytes=file_bytes,
                memory_bytes=max(file_bytes, memory_bytes),
                readable=bool(flags & 4),
                writable=bool(flags & 2),
                executable=bool(flags & 1),
            )
        )
    if not segments:
        raise Malformed("no segment is loaded")
    return tuple(segments)


def _parse_sections(read: ReadAt, layout: struct.Struct, table: _Table, names_index: int) -> tuple[Section, ...]:
    # A count of 0 and an index of 0xffff mean that section 0 holds the real ones: files with 65 280 sections or more, never a Go program.
    rows = list(layout.iter_unpack(table.read(read, layout, _MOST_SECTIONS, "section")))
    if names_index >= len(rows):
        raise Malformed(f"section names in section {names_index} of {len(rows)}")
    _, _, _, _, names_at, names_bytes, *_ = rows[names_index]
    if names_bytes > _MOST_NAME_BYTES or names_at > _MOST_OFFSET:
        raise Malformed(f"section names of {names_bytes} bytes at {names_at:#x}")
    names = read(names_at, names_bytes)
    return tuple(
        Section(
            name=_parse_name(names, name_at),
            kind=kind,
            address=address,
            offset=at,
            size_bytes=size,
            link=link,
            entry_bytes=one,
        )
        for name_at, kind, _, address, at, size, link, _, _, one in rows
    )


def _parse_name(names: bytes, offset: int) -> str:
    # 64 bytes are enough for every name we ask for; without this bound 4096 sections could share one name of a megabyte
    return names[offset : offset + 64].split(b"\0", 1)[0].decode("ascii", "backslashreplace")
