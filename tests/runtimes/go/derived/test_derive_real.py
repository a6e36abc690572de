"""Derivation held against real programs: what they print of themselves, what they die of, and which files they keep open."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from cgtune.runtimes.go.derived.derive import GoDerivation, derive
from cgtune.runtimes.go.derived.godebug import parse_default_godebug
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.program.buildinfo import read_go_program
from cgtune.runtimes.go.program.modinfo import BuildInfo
from tests.support import goprograms, toolchains
from tests.support.needs import only_where

pytestmark = pytest.mark.fetched

PROGRAMS = [
    (version, language)
    for version in toolchains.NEWEST
    for language in (("1.21", "1.25") if toolchains.minor(version) >= 25 else ("1.21",))
]

# An environment has an order, and may hold a name twice, which no dict can tell: so the program is started by a bare execve.
_EXECVE = """
import ctypes, os, sys
program, count = sys.argv[1], int(sys.argv[2])
def strings(texts):
    return (ctypes.c_char_p * (len(texts) + 1))(*map(os.fsencode, texts), None)
argv = [program, *sys.argv[3:3 + count]]
ctypes.CDLL(None, use_errno=True).execve(os.fsencode(program), strings(argv), strings(sys.argv[3 + count:]))
"""

ENVIRONMENTS: list[tuple[str, ...]] = [
    (),
    *((f"GOMAXPROCS={text}",) for text in ("", "0", "-1", "-", "1", "04", "+5", " 5", "5 ", "5.0", "0x5", "7", "2147483648", "\u0665")),
    ("GOMAXPROCS=3", "GOMAXPROCS=6"),
    ("GOMAXPROCS=", "GOMAXPROCS=6"),
    ("gomaxprocs=3", "GOMAXPROCS", "GOMAXPROCSX=4"),
    *((f"GOMEMLIMIT={text}",) for text in ("", "off", "512MiB", "1GiB", "0", "-0", "+1GiB", "-KiB", "8388607TiB", "8388608TiB", "010")),
    *((f"GOMEMLIMIT={text}",) for text in ("512Mi", "1G", "OFF", " 1GiB", "1.5GiB", "-1", "9223372036854775808", "B", "\udcff")),
    ("GOMEMLIMIT=1GiB", "GOMEMLIMIT=512Mi"),
    *((f"GOGC={text}",) for text in ("", "off", "50", "050", "+50", "-", "-7", "0", "50 ", "OFF", "abc", "2147483648", "400")),
    *((f"GODEBUG={text}",) for text in ("containermaxprocs=0", "containermaxprocs=1,updatemaxprocs=0", "cgocheck=2", "cgocheck=1")),
    *((f"GODEBUG={text}",) for text in ("x509sha1=1", "x509sha1=0", "asynctimerchan=2,cgocheck=2", "cgocheck=2,tls3des=1", "tlskyber=0")),
    ("GODEBUG=cgocheck=2", "GOMEMLIMIT=1G"),
    ("GODEBUG=x509sha1=1", "GOMEMLIMIT=1G"),
    ("GODEBUG=x509sha1=0", "GODEBUG=x509sha1=1"),
    ("GODEBUG=x509sha1=1", "GODEBUG=x509sha1=0"),
    ("GOMAXPROCS=4", "GOMEMLIMIT=100MiB", "GOGC=25", "GODEBUG=containermaxprocs=1"),
]


@pytest.fixture(scope="module", autouse=True)
def can_build() -> None:
    """The toolchains are there, or can be fetched."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    for version, _ in PROGRAMS:
        toolchains.goroot(version)


@cache
def build_info(program: Path) -> BuildInfo:
    """The build info of a program."""
    with program.open("rb") as file:
        found = read_go_program(lambda offset, size: os.pread(file.fileno(), size, offset))
    assert found is not None
    return found[1]


def read_text(path: str) -> bytes | None:
    """A file as the program itself would see it, which is in our own cgroup and our own mounts."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def derived_here(program: Path, entries: tuple[str, ...]) -> GoDerivation:
    """What is derived for this program, started by us with this environment."""
    info = build_info(program)
    split = [entry.partition("=") for entry in entries]
    return derive(
        GoInputs(
            version=info.go,
            default_godebug=parse_default_godebug(info.settings),
            environ=tuple((name, value) for name, equals, value in split if equals),
            affinity_count=len(os.sched_getaffinity(0)),
            cgroup_text=read_text("/proc/self/cgroup") or "",
            mountinfo_text=read_text("/proc/self/mountinfo") or "",
            read_limit=read_text,
        )
    )


def start(program: Path, entries: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    """Run the probe once, with exactly this environment."""
    commands = ["report", "exit"]
    command = [sys.executable, "-I", "-S", "-c", _EXECVE, str(program), str(len(commands)), *commands, *entries]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize(("version", "language"), PROGRAMS)
def test_programs_have_what_is_derived(version: str, language: str) -> None:
    """A real program prints what is derived for it, or dies at its start with the words that are derived for it."""
    program = goprograms.build(version, language=language)
    for entries in ENVIRONMENTS:
        derived, done = derived_here(program, entries), start(program, entries)
        if derived.dies is not None:
            assert done.returncode == 2, entries
            assert done.stderr.decode(errors="backslashreplace").startswith(derived.dies.replace("\\udc", "\\x")), entries
            continue
        assert (done.returncode, done.stderr) == (0, b""), entries
        said = json.loads(done.stdout)
        assert (derived.gomaxprocs, derived.num_cpu) == (said["gomaxprocs"], said["num_cpu"]), entries
        assert (derived.gomemlimit, derived.gogc) == (said["memory_limit"], said["gc_percent"]), entries


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    ["", "-X=runtime.godebugDefault=", "-X=runtime.godebugDefault=containermaxprocs=1", "-X 'runtime.godebugDefault=containermaxprocs=0'"],
)
@pytest.mark.parametrize(("version", "language"), PROGRAMS)
def test_programs_keep_open_the_files_that_are_derived(version: str, language: str, flags: str, tmp_path: Path) -> None:
    """A program keeps its limit files open where it is container-aware, and no others; the linker's flags can decide on that."""
    (tmp_path / "go.mod").write_text(f"module example.com/open\n\ngo {language}\n")
    (tmp_path / "main.go").write_text(
        'package main\n\nimport "os"\n\nfunc main() {\n\tos.Stdout.Write([]byte("x"))\n\tos.Stdin.Read(make([]byte, 1))\n}\n'
    )
    program = toolchains.build(version, tmp_path, tmp_path / "program", f"-ldflags={flags}", "-buildvcs=false")
    derived = derived_here(program, ())
    with subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.read(1)
        links = {os.readlink(entry) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
        process.stdin.close()
    kept = {link for link in links if "/cpu." in link}
    limit = derived.limit
    expected = {os.path.realpath(file) for file in limit.files} if limit is not None and derived.aware.on else set()
    assert kept == expected
