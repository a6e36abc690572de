"""Machine code of a few Go runtime functions into the addresses and offsets that it uses, for amd64 and arm64.

This is no disassembler: it knows the handful of instructions by which Go's compiler reads and writes package variables, and its answers are
candidates that the caller holds against the data segments and against each other.
"""

from __future__ import annotations

from cgtune.records import Record
from cgtune.runtimes.elf import AMD64, ARM64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.runtimes.elf import Elf

LOAD = "load"
STORE = "store"
COMPARE = "compare"  # amd64 compares memory with a constant; on arm64 the same source line is a load
ADDRESS = "address"
CALL = "call"


class Use(Record):
    """One instruction, or pair of them, that touches a fixed address: a variable's, or a function's for CALL. ``size_bytes`` 0: unknown."""

    kind: str
    address: int
    size_bytes: int


def decode_uses(elf: Elf, address: int, code: bytes) -> list[Use]:
    """The uses in the code of the function at this linked address, in order, up to the end of ``code``."""
    if elf.machine == AMD64:
        return _decode_amd64(address, code)
    if elf.machine == ARM64:
        return _decode_arm64(address, code)
    return []


def decode_plausible_uses(elf: Elf, address: int, code: bytes) -> list[Use]:
    """Those of them that lead to code or data. On amd64 a constant inside of one instruction can read as another that points anywhere."""
    uses = []
    for use in decode_uses(elf, address, code):
        part = elf.segment_at(use.address)
        if part is not None and (part.executable if use.kind == CALL else part.writable):
            uses.append(use)
    return uses


def decode_fields(elf: Elf, code: bytes) -> list[int]:
    """Offsets at which the code reads 64-bit words of the struct that its first argument points to (rax, x0), in order."""
    if elf.machine == AMD64:
        return _decode_fields_amd64(code)
    if elf.machine == ARM64:
        return _decode_fields_arm64(code)
    return []


# amd64 (Intel SDM vol. 2): an operand at a fixed distance from the instruction's end has a ModRM byte with mod 0 and rm 5: xx & c7 == 05.
# opcode byte -> (kind, size, bytes of the constant behind the distance)
_AMD64 = {
    0x8B: (LOAD, 4, 0),  # mov r, m
    0x89: (STORE, 4, 0),  # mov m, r
    0x63: (LOAD, 4, 0),  # movsxd r, m: with REX.W only
    0x8D: (ADDRESS, 0, 0),  # lea: with REX.W only
    0xB6: (LOAD, 1, 0),  # movzx r, m8: behind 0f only
    0xC6: (STORE, 1, 1),  # mov m8, constant
    0x80: (COMPARE, 1, 1),  # cmp m8, constant: ModRM 3d
    0x83: (COMPARE, 4, 1),  # cmp m32, constant: ModRM 3d
}


def _decode_amd64(address: int, code: bytes) -> list[Use]:
    uses = []
    for at in _locate_amd64(code):
        opcode = code[at]
        known = _AMD64.get(opcode)
        if opcode == 0xE8:
            uses.append(Use(kind=CALL, address=_target(address, code, at + 1, at + 5), size_bytes=0))
        elif known is not None and code[at + 1] & 0xC7 == 0x05 and at + 6 + known[2] <= len(code):
            kind, size, constant_bytes = known
            wide = at > 0 and code[at - 1] & 0xF8 == 0x48  # REX.W
            refused = (
                (opcode in (0x63, 0x8D) and not wide)
                or (opcode == 0xB6 and (at == 0 or code[at - 1] != 0x0F))
                or (kind == COMPARE and code[at + 1] != 0x3D)
            )
            if not refused:
                size = 8 if wide and opcode in (0x8B, 0x89) else size
                uses.append(Use(kind=kind, address=_target(address, code, at + 2, at + 6 + constant_bytes), size_bytes=size))
    return uses


#: 1 for a ModRM byte of a fixed distance, 2 for a call's opcode.
_MARKS = bytes(1 if byte & 0xC7 == 0x05 else 2 if byte == 0xE8 else 0 for byte in range(256))


def _locate_amd64(code: bytes) -> list[int]:
    """Where an instruction of ours may begin, ascending: before the marked bytes, which are few; no loop looks at all the others."""
    marked = code.translate(_MARKS)
    places = set()
    for mark, distance in ((b"\1", 1), (b"\2", 0)):
        at = marked.find(mark)
        while at >= 0:
            places.add(at - distance)
            at = marked.find(mark, at + 1)
    return sorted(place for place in places if place >= 0 and place + 5 <= len(code))


def _target(address: int, code: bytes, distance_at: int, end: int) -> int:
    return address + end + int.from_bytes(code[distance_at : distance_at + 4], "little", signed=True)


def _decode_fields_amd64(code: bytes) -> list[int]:
    # mov r64, [rax + d8 or d32]: REX.W 8b, ModRM mod 1 or 2 with rm 0
    offsets = []
    for at in range(len(code) - 7):
        if code[at] in (0x48, 0x4C) and code[at + 1] == 0x8B:
            form = code[at + 2] & 0xC7
            if form == 0x40:
                offsets.append(code[at + 3])
            elif form == 0x80:
                offsets.append(int.from_bytes(code[at + 3 : at + 7], "little"))
    return offsets


# arm64 (Arm ARM, C6.2), load and store with an unsigned offset: top ten bits -> (kind, size)
_ARM64 = {
    0b1011100101: (LOAD, 4),  # ldr w
    0b1011100110: (LOAD, 4),  # ldrsw
    0b1111100101: (LOAD, 8),  # ldr x
    0b0011100101: (LOAD, 1),  # ldrb
    0b1011100100: (STORE, 4),  # str w
    0b1111100100: (STORE, 8),  # str x
    0b0011100100: (STORE, 1),  # strb
}


def _decode_arm64(address: int, code: bytes) -> list[Use]:
    uses = []
    known: dict[int, int] = {}  # registers that hold an address, from an adrp just before
    for at in range(0, len(code) - 3, 4):
        word = int.from_bytes(code[at : at + 4], "little")
        target, base = word & 31, word >> 5 & 31
        if word & 0x9F000000 == 0x90000000:  # adrp
            pages = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
            pages -= (pages & 1 << 20) << 1
            known = {target: (address + at & ~0xFFF) + (pages << 12)}
        elif word & 0xFF800000 == 0x91000000 and base in known:  # add x, x, constant
            formed = known[base] + ((word >> 10 & 0xFFF) << (12 if word & 1 << 22 else 0))
            uses.append(Use(kind=ADDRESS, address=formed, size_bytes=0))
            known = {target: formed}
        elif (form := _ARM64.get(word >> 22)) is not None and base in known:
            kind, size = form
            uses.append(Use(kind=kind, address=known[base] + (word >> 10 & 0xFFF) * size, size_bytes=size))
            known = {}
        elif word >> 26 == 0b100101:  # bl
            distance = word & 0x3FFFFFF
            distance -= (distance & 1 << 25) << 1
            uses.append(Use(kind=CALL, address=address + at + distance * 4, size_bytes=0))
            known = {}
    return uses


def _decode_fields_arm64(code: bytes) -> list[int]:
    # an atomic load has no offset of its own: add x, x0, constant; then ldar x. Plain loads: ldr x, [x0, constant]
    offsets = []
    for at in range(0, len(code) - 3, 4):
        word = int.from_bytes(code[at : at + 4], "little")
        if word >> 5 & 31:
            continue
        if word & 0xFFC00000 == 0x91000000:
            offsets.append(word >> 10 & 0xFFF)
        elif word & 0xFFC00000 == 0xF9400000:
            offsets.append((word >> 10 & 0xFFF) * 8)
    return offsets
