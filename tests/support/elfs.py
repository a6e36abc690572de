"""Makes small ELF files for the tests: every byte of them is known, so that one can be made wrong at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

MAGIC = b"\xff Go buildinf:"
READ, WRITE, RUN = 4, 2, 1
FRAME_START = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
FRAME_END = bytes.fromhex("f932433186182072008242104116d8f2")


class Part(NamedTuple):
    """A segment: its linked address, its bytes, its permissions, and how much longer it is in memory than in the file."""

    address: int
    data: bytes
    flags: int
    more: int = 0


class Named(NamedTuple):
    """A section: a name for a range of addresses, or (address 0) bytes of its own at the end of the file."""

    name: str
    address: int
    size: int
    kind: int = 1
    data: bytes = b""
    link: int = 0
    entry_bytes: int = 0


def elf(
    parts: Sequence[Part],
    sections: Sequence[Named] = (),
    *,
    bits: int = 64,
    little: bool = True,
    kind: int = 2,
    machine: int = 62,
    entry: int = 0,
) -> bytes:
    """An ELF file of these segments and sections; without sections there are no section headers at all."""
    order = "<" if little else ">"
    wide = bits == 64
    header_bytes, segment_bytes, section_bytes = (64, 56, 64) if wide else (52, 32, 40)
    offset = header_bytes + segment_bytes * len(parts)
    table, body, offsets = b"", b"", []
    for part in parts:
        start = offset + len(body)
        pad = (part.address - start) % 4096  # a segment's offset and address agree modulo the page
        body += b"\0" * pad
        start += pad
        offsets.append(start)
        size = len(part.data)
        if wide:
            table += struct.pack(order + "IIQQQQQQ", 1, part.flags, start, part.address, part.address, size, size + part.more, 4096)
        else:
            table += struct.pack(order + "IIIIIIII", 1, start, part.address, part.address, size, size + part.more, part.flags, 4096)
        body += part.data
    names = b"\0" + b"".join(section.name.encode() + b"\0" for section in sections) + b".shstrtab\0"
    rows = [struct.pack(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"), *([0] * 10))]
    for section in (*sections, Named(".shstrtab", 0, len(names), 3, names)):
        if section.address:
            at = next(
                o + section.address - p.address
                for p, o in zip(parts, offsets, strict=True)
                if p.address <= section.address < p.address + len(p.data) + p.more
            )
        else:
            at = offset + len(body)
            body += section.data
        fields = (
            names.index(b"\0" + section.name.encode() + b"\0") + 1,
            section.kind,
            0,
            section.address,
            at,
            section.size,
            section.link,
            0,
            1,
            section.entry_bytes,
        )
        rows.append(struct.pack(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"), *fields))
    sections_at = offset + len(body) if sections else 0
    count = len(rows) if sections else 0
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if little else 2, 1]) + b"\0" * 9
    head = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        *(
            kind,
            machine,
            1,
            entry,
            header_bytes,
            sections_at,
            0,
            header_bytes,
            segment_bytes,
            len(parts),
            section_bytes,
            count,
            max(count - 1, 0),
        ),
    )
    return ident + head + table + body + (b"".join(rows) if sections else b"")


def reader(data: bytes) -> Callable[[int, int], bytes]:
    """What cgtune calls a ``read_at``, over bytes."""
    return lambda offset, size: data[offset : offset + size]


def uvarint(number: int) -> bytes:
    """The number in base 128, low digits first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def framed(text: str) -> bytes:
    """Module lines as the linker frames them."""
    return FRAME_START + text.encode() + FRAME_END


def inline_record(version: str, modinfo: bytes, *, pointer_bytes: int = 8) -> bytes:
    """A build info record as Go 1.18 and later write it."""
    said = version.encode()
    return (MAGIC + bytes([pointer_bytes, 2])).ljust(32, b"\0") + uvarint(len(said)) + said + uvarint(len(modinfo)) + modinfo


def pointer_record(address: int, version: str, modinfo: bytes, *, pointer_bytes: int = 8, little: bool = True) -> bytes:
    """A build info record as Go 1.13 to 1.17 wrote it, followed by the strings that it points to; it lies at ``address``."""
    order, code = ("<" if little else ">"), ("Q" if pointer_bytes == 8 else "I")
    said = version.encode()
    headers_at = address + 32
    said_at = headers_at + 4 * pointer_bytes
    head = MAGIC + bytes([pointer_bytes, 0 if little else 1])
    pointers = struct.pack(order + code * 2, headers_at, headers_at + 2 * pointer_bytes if modinfo else 0)
    headers = struct.pack(order + code * 4, said_at, len(said), said_at + len(said), len(modinfo))
    return (head + pointers).ljust(32, b"\0") + headers + said + modinfo


def go_program(record: bytes, *, sections: bool = True, before: bytes = b"", **options: object) -> bytes:
    """A program with this build info at 0x600000 (after ``before``), 256 bytes of zeroes behind it, and a little code at 0x400000."""
    data = before + record + b"\0" * 64
    parts = [Part(0x400000, b"\xc3" * 64, READ | RUN), Part(0x600000, data, READ | WRITE, more=256)]
    named = [Named(".text", 0x400000, 64), Named(".go.buildinfo", 0x600000, len(data))] if sections else []
    return elf(parts, named, **options)  # type: ignore[arg-type]  # the options are elf's own
