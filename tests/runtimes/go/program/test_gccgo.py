"""What a file of gccgo tells of itself."""

from __future__ import annotations

import pytest

from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go.program.gccgo import locate_copied_cpus, locate_gccgo_words, read_gccgo
from tests.support.elfs import READ, RUN, Named, Part, elf, reader

EXPORT = Named(".go_export", 0, 4, data=b"v3;\n")
DAMAGED = Named(".symtab", 0, 24, kind=2, data=bytes(24), entry_bytes=7)


@pytest.mark.parametrize(("sections", "has_runtime"), [((), None), ((DAMAGED,), None), ((EXPORT,), False), ((EXPORT, DAMAGED), False)])
def test_a_file_without_the_runtimes_names(sections: tuple[Named, ...], has_runtime: bool | None) -> None:
    """Without gccgo's section it is none of its programs; with it and without symbols that can be read, it holds no runtime to look at."""
    program = parse_elf(reader(elf([Part(0x400000, b"\xc3" * 64, READ | RUN)], sections)))
    info = read_gccgo(program)
    assert (None if info is None else info.has_runtime) is has_runtime
    assert locate_gccgo_words(program) == {}
    assert locate_copied_cpus(program) is None
