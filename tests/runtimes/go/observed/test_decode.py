"""Instructions: those that Go's compiler uses for package variables are read, byte for byte; nothing else is."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, strategies as st

from cgtune.runtimes.elf import AMD64, ARM64, Elf, parse_elf
from cgtune.runtimes.go.observed.decode import ADDRESS, CALL, COMPARE, LOAD, STORE, Use, decode_fields, decode_uses
from tests.support.elfs import READ, RUN, Part, elf, reader

AT = 0x40EE00


def _elf(machine: int) -> Elf:
    return parse_elf(reader(elf([Part(0x400000, b"x", READ | RUN)], machine=machine)))


# As a disassembler prints them, from Go 1.25.5 and 1.27.3
@pytest.mark.parametrize(
    ("machine", "code", "use"),
    [
        (AMD64, "8b 15 10 00 00 00", (LOAD, AT + 0x16, 4)),  # mov 0x10(%rip),%edx
        (AMD64, "48 8b 1d f0 ff ff ff", (LOAD, AT + 7 - 16, 8)),  # mov -0x10(%rip),%rbx
        (AMD64, "44 8b 15 10 00 00 00", (LOAD, AT + 0x17, 4)),  # mov 0x10(%rip),%r10d: REX without W
        (AMD64, "48 63 0d 10 00 00 00", (LOAD, AT + 0x17, 4)),  # movslq 0x10(%rip),%rcx
        (AMD64, "89 05 10 00 00 00", (STORE, AT + 0x16, 4)),  # mov %eax,0x10(%rip)
        (AMD64, "48 8d 05 10 00 00 00", (ADDRESS, AT + 0x17, 0)),  # lea 0x10(%rip),%rax
        (AMD64, "c6 05 10 00 00 00 01", (STORE, AT + 0x17, 1)),  # movb $1,0x10(%rip)
        (AMD64, "80 3d 10 00 00 00 00", (COMPARE, AT + 0x17, 1)),  # cmpb $0,0x10(%rip)
        (AMD64, "83 3d 10 00 00 00 00", (COMPARE, AT + 0x17, 4)),  # cmpl $0,0x10(%rip)
        (AMD64, "0f b6 0d 10 00 00 00", (LOAD, AT + 0x17, 1)),  # movzbl 0x10(%rip),%ecx
        (AMD64, "e8 10 00 00 00", (CALL, AT + 0x15, 0)),  # call
        (AMD64, "83 05 10 00 00 00 01", None),  # addl $1,0x10(%rip)
        (AMD64, "63 0d 10 00 00 00", None),  # without REX.W
        (AMD64, "b6 0d 10 00 00 00", None),  # without 0f
        (AMD64, "90 b6 0d 10 00 00 00", None),  # without 0f, behind something else
        (AMD64, "8d 05 10 00 00 00", None),  # lea 0x10(%rip),%eax: half an address
        (AMD64, "e8 10 00 00", None),  # half a call
        (AMD64, "89 e8 b6", None),  # the byte of a call, too near to the end to be one
        (AMD64, "8b 15 10 00 00", None),  # half a load
        (AMD64, "05 00 00 00 00", None),  # the second byte of an instruction that began before
        (AMD64, "8b 54 24 40", None),  # mov 0x40(%rsp),%edx
        (ARM64, "1b 09 00 90 65 7f 85 b9", (LOAD, 0x40E000 + (0x120 << 12) + 1404, 4)),  # adrp x27; ldrsw x5,[x27,#1404]
        (ARM64, "7b 0b 00 d0 61 e3 02 39", (STORE, 0x40E000 + (0x16E << 12) + 184, 1)),  # adrp x27; strb w1,[x27,#184]
        (ARM64, "7b 0b 00 d0 61 e3 42 39", (LOAD, 0x40E000 + (0x16E << 12) + 184, 1)),  # adrp x27; ldrb w1,[x27,#184]
        (ARM64, "20 09 00 90 00 60 11 91", (ADDRESS, 0x40E000 + (0x124 << 12) + 0x458, 0)),  # adrp x0; add x0,x0,#0x458
        (ARM64, "20 09 00 90 00 04 40 91", (ADDRESS, 0x40E000 + (0x124 << 12) + 0x1000, 0)),  # adrp x0; add x0,x0,#1,lsl #12
        (ARM64, "fb ff ff f0 61 e3 42 39", (LOAD, 0x40E000 - 0x1000 + 184, 1)),  # adrp x27, backwards; ldrb w1,[x27,#184]
        (ARM64, "e6 23 00 94", (CALL, AT + 0x23E6 * 4, 0)),  # bl
        (ARM64, "cd ff ff 97", (CALL, AT - 0x33 * 4, 0)),  # bl, backwards
        (ARM64, "1b 09 00 90 65 7f 45 f9", (LOAD, 0x40E000 + (0x120 << 12) + 2808, 8)),  # ldr x5,[x27,#2808]
        (ARM64, "e0 1f 00 f9", None),  # str x0,[sp,#56]
    ],
)
def test_uses_are_decoded(machine: int, code: str, use: tuple[str, int, int] | None) -> None:
    """Each instruction says which variable or function it uses, how, and how wide."""
    uses = decode_uses(_elf(machine), AT, bytes.fromhex(code))
    expected = [] if use is None else [Use(kind=use[0], address=use[1], size_bytes=use[2])]
    assert (uses[-1:] if len(uses) > 1 else uses) == expected


def test_addresses_formed_in_two_steps_are_followed() -> None:
    """Go 1.19 for arm64 forms a variable's address and loads without an offset; both are seen."""
    uses = decode_uses(_elf(ARM64), AT, bytes.fromhex("9b0a00b0 7b033e91 610380b9"))  # adrp x27; add x27,x27,#0xf80; ldrsw x1,[x27]
    assert [use.kind for use in uses] == [ADDRESS, LOAD]
    assert uses[0].address == uses[1].address == 0x40E000 + (0x151 << 12) + 0xF80


def test_fields_are_decoded() -> None:
    """The struct fields that memoryLimitHeapGoal reads first, in order, as Go 1.21 to 1.27 compile it."""
    amd64 = "488b8820010000 488b9028010000 488b9830010000 4829da 488d1c0a 90 488bb038010000 4839de 72d7 4889f3 48 29ce 488b4808 90909090"
    arm64 = "1b008039 01800491 02a00491 03c00491 04e00491 21fcdfc8 42fcdfc8 02200091"
    assert decode_fields(_elf(AMD64), bytes.fromhex(amd64)) == [288, 296, 304, 312, 8]
    assert decode_fields(_elf(ARM64), bytes.fromhex(arm64)) == [288, 296, 304, 312, 8]
    assert decode_fields(_elf(ARM64), bytes.fromhex("019040f9 610440f9")) == [288]  # ldr x1,[x0,#288]; ldr x1,[x3,#8]


@pytest.mark.parametrize("machine", [AMD64, ARM64, 3])
def test_other_machines_have_no_uses(machine: int) -> None:
    """Code for a machine that we do not know gives nothing, and no code at all gives nothing anywhere."""
    assert decode_uses(_elf(machine), AT, b"") == []
    assert decode_fields(_elf(machine), b"") == []
    if machine == 3:
        assert decode_uses(_elf(machine), AT, bytes.fromhex("e810000000")) == []
        assert decode_fields(_elf(machine), bytes.fromhex("488b8820010000")) == []


@given(st.sampled_from([AMD64, ARM64]), st.binary(max_size=200))
def test_any_code_is_decoded_without_harm(machine: int, code: bytes) -> None:
    """Whatever the bytes, decoding raises nothing and finds no more uses than bytes."""
    assert len(decode_uses(_elf(machine), AT, code)) <= len(code)
    assert len(decode_fields(_elf(machine), code)) <= len(code)


@pytest.mark.parametrize(("machine", "word"), [(AMD64, "e8"), (AMD64, "8b05"), (AMD64, "488b40"), (ARM64, "00000094"), (ARM64, "000040f9")])
def test_a_megabyte_of_one_instruction_costs_no_more_than_a_page_of_it(machine: int, word: str) -> None:
    """Who made the file chooses the code: what is taken apart is bounded, in uses and in memory."""
    code = bytes.fromhex(word) * ((1 << 20) // (len(word) // 2))
    tracemalloc.start()
    try:
        assert decode_uses(_elf(machine), AT, code) == decode_uses(_elf(machine), AT, code[:4096])
        assert decode_fields(_elf(machine), code) == decode_fields(_elf(machine), code[:4096])
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
