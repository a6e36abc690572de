"""Programs that GCC's Go front end made: no build info, no function table, a runtime of their own in libgo.so or linked in.

That runtime honours GOMAXPROCS and GOGC, and has never read a CPU quota; it has no GOMEMLIMIT (libgo/go/runtime/proc.go, GCC 9 to 14, which
follows Go 1.12 to 1.18). A program is known by the section .go_export, which strip(1) leaves; its runtime by its variables.
What is not covered: stripped programs with the runtime linked in (-static-libgo): their variables have no names.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.runtimes.elfsymbols import locate_symbols
from cgtune.runtimes.go.program.modinfo import BuildInfo
from cgtune.runtimes.go.program.version import parse_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.runtimes.elf import Elf

SECTION = ".go_export"
GOMAXPROCS, CPUS = "runtime.gomaxprocs", "runtime.ncpu"  # int32 each
PROOF = "runtime.GOMAXPROCS"  # a function of the runtime: where it lies the process must have the file's code
PROOF_BYTES = 48

_LANGUAGES = {9: 12, 10: 14, 11: 16}  # GCC -> the Go 1.x whose library it has; 18 in all since 12
_NEWEST_LANGUAGE = 18
_MOST_COMMENT_BYTES = 4096


def read_gccgo(elf: Elf) -> BuildInfo | None:
    """What a program or a library of gccgo tells of itself; None if it is none."""
    if elf.section(SECTION) is None:
        return None
    gcc = _parse_gcc(elf)
    said = f"gccgo {gcc}" if gcc else "gccgo"
    major = gcc.partition(".")[0]
    language = _LANGUAGES.get(int(major) if major.isascii() and major.isdecimal() else 0, _NEWEST_LANGUAGE)
    return BuildInfo(
        version=said,
        go=parse_version(f"go1.{language} {said}"),
        path="",
        main_module="",
        modules=(),
        settings=(),
        compiler="gccgo",
        has_runtime=bool(locate_gccgo_words(elf)),
    )


def locate_gccgo_words(elf: Elf) -> dict[str, int]:
    """Where GOMAXPROCS, CPUS and PROOF lie in this file, as linked; none of them if the runtime is in another file, or has no names."""
    try:
        found = locate_symbols(elf, (GOMAXPROCS, CPUS, PROOF))
    except Malformed:
        return {}
    places = {name: symbol.address for name, symbol in found.items() if symbol.address}  # 0: it is another file's
    return places if GOMAXPROCS in places else {}


def locate_copied_cpus(elf: Elf) -> int | None:
    """Where a program keeps the CPU count of its libgo.so, as linked; None: in libgo.so.

    One that calls runtime.NumCPU has that function inlined, so it uses the variable itself; the linker then gives the program a copy, and
    the library uses that, too (ld.so(8): the program's symbols are found first).
    """
    try:
        found = locate_symbols(elf, (CPUS,))
    except Malformed:
        return None
    return found[CPUS].address or None if CPUS in found else None


def _parse_gcc(elf: Elf) -> str:
    """The version in `GCC: (Debian 12.2.0-14) 12.2.0`, as the compiler writes it into the section .comment; "" if it does not tell."""
    section = elf.section(".comment")
    if section is None or section.size_bytes > 1 << 20:
        return ""
    words = elf.read_at(section.offset, min(section.size_bytes, _MOST_COMMENT_BYTES)).split(b"\0")[0].decode("ascii", "replace").split()
    last = words[-1] if words[:1] == ["GCC:"] else ""
    return last if last and all(letter in "0123456789." for letter in last) else ""
