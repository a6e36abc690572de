"""A Go program that does not run: named by its version, or a file on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgtune.advice.prediction import parse_limited, predict_limited
from cgtune.errors import Malformed, UsageError
from cgtune.runtimes.go.offline import parse_program, parse_programs, program_of, read_program, rebuild
from cgtune.runtimes.go.program.modinfo import parse_build_info
from tests.support.elfs import framed, go_program, inline_record


@pytest.mark.parametrize(
    ("go", "language", "is_noted"),
    [
        ("1.24.3", "1.24.2", False),
        ("1.24.3", "1.24.3", False),
        ("1.24.3", "1.24.4", True),
        ("1.24.3", "1.25", True),
        ("1.24", "1.24.4", False),  # which patch it is, nobody said
        ("1.20", "1.21", False),  # before 1.21 a newer go line was only tried
    ],
)
def test_only_a_newer_go_line_fetches_a_newer_go(go: str, language: str, is_noted: bool) -> None:
    """A toolchain builds each module whose go line is not above itself, its own patch included."""
    (program,) = parse_programs(go, language)
    assert bool(program.notes) == is_noted


@pytest.mark.parametrize(
    ("head", "system"),
    [
        (b"MZ\x90\0", "Windows"),
        (b"\xcf\xfa\xed\xfe", "macOS"),
        (b"\xca\xfe\xba\xbe", "macOS"),
        (b"\0asm", "WebAssembly"),
        (b"\x01\xf7\0\1", "AIX"),
    ],
)
def test_a_program_of_another_format_is_named(tmp_path: Path, head: bytes, system: str) -> None:
    """What is no ELF file is no Linux program, and says whose it is."""
    (tmp_path / "server").write_bytes(head + bytes(200))
    with pytest.raises(UsageError, match=f"is a program for {system}, which has no cgroups"):
        read_program(str(tmp_path / "server"))


@pytest.mark.parametrize(("system", "refused"), [("freebsd", True), ("solaris", True), ("linux", False), ("android", False), (None, False)])
def test_a_program_for_another_system_is_refused(tmp_path: Path, system: str | None, refused: bool) -> None:
    """FreeBSD's programs are ELF files as well, and read no cpu.max: what Linux would give them says nothing."""
    text = "path\tx\n" + (f"build\tGOOS={system}\n" if system else "")
    (tmp_path / "server").write_bytes(go_program(inline_record("go1.27.3", framed(text))))
    if refused:
        with pytest.raises(UsageError, match=f"is a program for {system}, which has no cgroups"):
            read_program(str(tmp_path / "server"))
    else:
        assert read_program(str(tmp_path / "server")).go == "1.27.3"


@pytest.mark.parametrize(
    ("cpu_limit", "environ", "notes"),
    [
        ("2.5", [], ["it links go.uber.org/automaxprocs v1.6.0, which sets GOMAXPROCS to the CPU limit rounded down, at least 1: here 2"]),
        ("0.5", [], ["it links go.uber.org/automaxprocs v1.6.0, which sets GOMAXPROCS to the CPU limit rounded down, at least 1: here 1"]),
        ("2.5", ["GOMAXPROCS=4"], []),
        (None, [], []),
    ],
)
def test_what_a_linked_library_sets_is_told(cpu_limit: str | None, environ: list[str], notes: list[str]) -> None:
    """A program on disk that links automaxprocs may not do what its runtime derives: the row says what it sets under these limits."""
    modinfo = b"path\texample.com/a\ndep\tgo.uber.org/automaxprocs\tv1.6.0\th1:x=\n"
    program = program_of(parse_build_info(b"go1.24.11", b"0" * 16 + modinfo + b"0" * 16))
    limited = parse_limited(cpu_limit=cpu_limit, cpus=8, memory_limit=None, cpu_request=None, env=environ, cgroup="v2")
    (row,) = predict_limited(limited, (program,), lambda process: process).rows
    assert [note.partition(",  if")[0].partition(", if the program")[0] for note in row.notes] == notes


@pytest.mark.parametrize(
    ("version", "recorded", "language", "default"),
    [
        (b"go1.24.11", b"panicnil=1", None, ""),  # the go line moves along
        (b"go1.24.11", b"panicnil=1", "1.24", "containermaxprocs=0,updatemaxprocs=0"),
        (b"go1.26.6", b"containermaxprocs=0", None, "containermaxprocs=0"),  # of a godebug line, which stays
        (b"go1.26.6", b"containermaxprocs=0", "1.27", ""),
    ],
)
def test_a_program_that_another_go_builds(version: bytes, recorded: bytes, language: str | None, default: str) -> None:
    """It keeps its modules, its processor, and what its build says of quotas, if its Go knew them and nobody names a go line."""
    modinfo = b"path\texample.com/a\ndep\tgo.uber.org/automaxprocs\tv1.6.0\th1:x=\nbuild\tGOARCH=arm64\n"
    modinfo += b"build\tDefaultGODEBUG=" + recorded + b"\n"
    program = program_of(parse_build_info(version, b"0" * 16 + modinfo + b"0" * 16))
    rebuilt = rebuild(program, parse_program("1.27", language, "--to"))
    assert (rebuilt.go, rebuilt.default_godebug, rebuilt.architecture) == ("1.27", default, "arm64")
    assert rebuilt.info is program.info


def test_a_damaged_program_is_named(tmp_path: Path) -> None:
    """What is Go's and tells nothing of itself is no usage error, and the message says which file it is."""
    (tmp_path / "server").write_bytes(go_program(inline_record("", b"")))
    with pytest.raises(Malformed, match=r"^--binary '.*/server': .*neither build info nor a function table"):
        read_program(str(tmp_path / "server"))
