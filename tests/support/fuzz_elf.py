"""Mutated executables against everything that reads them: nothing but our own errors may come out, in little time and memory.

The corpus is small synthetic files of every shape and, where the cache has them, real Go programs. A case changes one of them in a few
places, mostly where it hurts (headers, build info, function table, symbol table), and runs it through the whole route: is it Go's, which
build info, where are the words, what do they say. ``scripts/fuzz executables`` runs any number of cases, the tests a quick share.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cgtune.errors import CgtuneError
from cgtune.runtimes.elf import Elf, parse_elf
from cgtune.runtimes.go.observed.layout import locate_live_words
from cgtune.runtimes.go.observed.live import read_live_words
from cgtune.runtimes.go.program.buildinfo import read_go_image, read_go_program
from cgtune.runtimes.go.program.version import GoVersion, parse_version
from tests.support import goprograms
from tests.support.elfs import MAGIC, READ, RUN, WRITE, Named, Part, elf, framed, go_program, inline_record, pointer_record, reader
from tests.support.fuzzing import Case, check_message

ReadAt = Callable[[int, int], bytes]

REAL = [
    *(("1.19", mode) for mode in ("sw", "pie")),
    *(("1.21.13", mode) for mode in ("sw", "pie-sw", "386")),
    *(("1.25.5", mode) for mode in ("plain", "cgo-pie-strip", "shared-sw")),
    *(("1.27.3", mode) for mode in ("sw", "pie", "arm64-sw", "s390x")),
]
_NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    0x7F,
    0x80,
    0xFF,
    0xFFF,
    0x1000,
    0xFFFF,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)
_LARGEST_LEARNT, _MOST_SUBJECTS = 1 << 16, 500
_PATTERNS = (
    MAGIC + b"\x08\x02",
    MAGIC + b"\x08\x00",
    b"\x7fELF\x02\x01",
    b"\xf1\xff\xff\xff\0\0\x01\x08",
    b"\xf0\xff\xff\xff\0\0\x01\x08",
    b"\0runtime.procresize\0",
    b"\0runtime.gomaxprocs\0",
    b"\0",
    b"\xff",
)


class Subject(NamedTuple):
    """A file of the corpus, and the places in it where a change matters."""

    name: str
    data: bytes
    places: tuple[tuple[int, int], ...]


class Mutant(NamedTuple):
    """A subject, cut and patched; never a copy of it."""

    subject: Subject
    length: int
    patches: tuple[tuple[int, bytes], ...]

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes of the mutant."""
        if offset < 0 or size < 0:
            raise AssertionError(f"a read of {size} bytes at {offset}")
        end = min(offset + size, self.length)
        if offset >= end:
            return b""
        data = self.subject.data[offset:end]
        for at, patch in self.patches:
            first, last = max(at, offset), min(at + len(patch), end)
            if first < last:
                data = data[: first - offset] + patch[first - at : last - at] + data[last - offset :]
        return data

    def bytes(self) -> bytes:
        """The mutant as a file, to keep one that found something."""
        return self.read_at(0, self.length)


def synthetic_subjects() -> list[Subject]:
    """Small files of every class, byte order and form of record, with and without section headers and symbols."""
    modinfo = framed('path\tx/y\nmod\tx\tv1\ndep\ta\tv2\n=>\tb\tv3\nbuild\t-ldflags="-s -w"\nbuild\tDefaultGODEBUG=containermaxprocs=0\n')
    made = []
    for bits in (64, 32):
        for little in (True, False):
            for sections in (True, False):
                size = bits // 8
                inline = inline_record("go1.25.5", modinfo, pointer_bytes=size)
                pointers = pointer_record(0x600000, "go1.17.13", modinfo, pointer_bytes=size, little=little)
                for name, record in (("inline", inline), ("pointers", pointers)):
                    data = go_program(record, bits=bits, little=little, sections=sections)
                    made.append(Subject(f"{name}-{bits}-{'little' if little else 'big'}-{sections}", data, ((0, len(data)),)))
    names = b"\0runtime.gomaxprocs\0runtime.gcController\0runtime.procresize\0"
    table = bytes(24) + b"".join(
        struct.pack("<IBBHQQ", at, 1, 0, 1, address, size)
        for at, address, size in ((1, 0x600100, 4), (20, 0x600108, 400), (41, 0x400000, 64))
    )
    parts = [Part(0x400000, bytes(range(256)), READ | RUN), Part(0x600000, inline_record("go1.25.5", modinfo), READ | WRITE, more=4096)]
    named = [Named(".text", 0x400000, 256), Named(".symtab", 0, len(table), 2, table, 3, 24), Named(".strtab", 0, len(names), 3, names)]
    data = elf(parts, named, kind=3, entry=0x400000)
    return [*made, Subject("symbols", data, ((0, len(data)),))]


def real_subjects() -> list[Subject]:
    """Programs of the cache's toolchains; those that are not there are left out."""
    return [_real(version, mode) for version, mode in REAL if goprograms.is_present(version)]


def _real(version: str, mode: str) -> Subject:
    data = goprograms.build(version, mode, package="./minimal" if "shared" not in mode and "cgo" not in mode else ".").read_bytes()
    found = parse_elf(reader(data))
    places = [(0, 64 + 56 * 12), (struct.unpack_from(found.format("Q"), data, 40)[0], 64 * len(found.sections))]
    for section in found.sections:
        if section.name in (".shstrtab", ".go.buildinfo"):
            places.append((section.offset, section.size_bytes))
        if section.name.endswith(("pclntab", ".symtab", ".go.module")):
            places.append((section.offset, min(section.size_bytes, 512)))
    for name in (b"\0runtime.procresize\0", b"\0runtime.gomaxprocs\0"):
        at = data.find(name)
        if at >= 0:
            places.append((at - 64, 256))
    return Subject(f"go{version}-{mode}", data, tuple(place for place in places if place[1] > 0 and place[0] < len(data)))


def mutate(subject: Subject, chance: random.Random) -> Mutant:
    """A few changes, nine in ten of them in the places that matter."""
    patches = []
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        start, size = chance.choice(subject.places) if chance.random() < 0.9 else (0, len(subject.data))
        at = start + chance.randrange(size)
        kind = chance.randrange(6)
        if kind == 0:
            patch = bytes([subject.data[at % len(subject.data)] ^ 1 << chance.randrange(8)])
        elif kind == 1:
            width = chance.choice((1, 2, 4, 8))
            at -= at % chance.choice((1, width))
            number = chance.choice((*_NUMBERS, len(subject.data), chance.randrange(len(subject.data))))
            patch = (number % (1 << 8 * width)).to_bytes(width, chance.choice(("little", "big")))
        elif kind == 2:
            patch = chance.randbytes(chance.choice((1, 4, 16, 64)))
        elif kind == 3:
            at -= at % chance.choice((1, 16))
            patch = chance.choice(_PATTERNS) * chance.choice((1, 1, 2, 64, 1024))
        elif kind == 4:
            other = chance.randrange(len(subject.data))
            patch = subject.data[other : other + chance.choice((8, 64, 512))]
        else:
            patch = bytes(chance.choice((1, 8, 64, 4096)))
        patches.append((max(at, 0), patch))
    length = len(subject.data) if chance.random() < 0.85 else chance.randrange(len(subject.data) + 1)
    return Mutant(subject, length, tuple(patches))


def run(mutant: Mutant, chance: random.Random) -> str:
    """The whole route over one mutant; what came of it, in a word. Raises what must not be raised."""
    outcome = "malformed"
    program, version = None, None
    try:
        found = read_go_program(mutant.read_at)
        outcome = "not Go's" if found is None else "Go's"
        if found is not None:
            program, version = found[0], found[1].go
    except CgtuneError as error:
        check_message(error)
    try:
        if program is None:  # the words are looked for all the same
            program = parse_elf(mutant.read_at)
            version = parse_version(chance.choice(("go1.19", "go1.21.13", "go1.27.3", "go1.40", "unknown")))
        return f"{outcome}, {_run_words(program, version, mutant, chance)}"
    except CgtuneError as error:
        check_message(error)
        return outcome


def _run_words(program: Elf, version: GoVersion | None, mutant: Mutant, chance: random.Random) -> str:
    bias = 0 if chance.random() < 0.5 else 0x7F0000000000

    def loaded(address: int, size: int) -> bytes:
        return program.read_address(max(address - bias, 0), size)

    def noise(_: int, size: int) -> bytes:
        return chance.randbytes(size) if size < 9 else bytes(size)

    layout = locate_live_words(program, version, bias=bias, read_memory=loaded)
    for memory in (loaded, noise):
        words = read_live_words(layout, bias=bias, read_memory=memory)
        _require(words.gomaxprocs is None or words.gomaxprocs >= 1)
    image = read_go_image(mutant.read_at, 0)
    _require(image is None or image[1].version)
    return "words" if layout.gomaxprocs is not None else "no words"


def _require(condition: object) -> None:
    if not condition:
        raise AssertionError("a value that cannot be")


class ElfCase(NamedTuple):
    """A mutant, and the seed of what its run chooses."""

    mutant: Mutant
    seed: int

    def run(self) -> str:
        """The whole route over it."""
        return run(self.mutant, random.Random(self.seed))

    def bytes(self) -> bytes:
        """The mutant as a file."""
        return self.mutant.bytes()


class ElfParser:
    """Everything that reads executables, for tests.support.fuzzing."""

    name = "executables"

    def __init__(self, subjects: Sequence[Subject] | None = None) -> None:
        self._subjects = list(subjects or ())

    def draw(self, chance: random.Random) -> Case:
        """A mutant of one of the subjects; without any, of all that are there."""
        if not self._subjects:
            self._subjects = synthetic_subjects() + real_subjects()
        return ElfCase(mutate(chance.choice(self._subjects), chance), chance.randrange(1 << 32))

    def learn(self, case: Case) -> None:
        """Know it from now on, if it is small."""
        data = case.bytes()
        if 0 < len(data) < _LARGEST_LEARNT and len(self._subjects) < _MOST_SUBJECTS:
            self._subjects.append(Subject("learnt", data, ((0, len(data)),)))
