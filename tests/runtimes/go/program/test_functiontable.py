"""The function table: found in every shape of file, and its names tell what decides settings in a program."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from cgtune.runtimes.elf import parse_elf
from cgtune.runtimes.go import programs
from cgtune.runtimes.go.offline import read_program
from cgtune.runtimes.go.program.functiontable import locate_function_table, read_linked
from tests.support import goprograms, toolchains
from tests.support.command import run
from tests.support.elfs import reader
from tests.support.needs import require

pytestmark = pytest.mark.fetched

NEWEST = toolchains.VERSIONS[-1]
_LIBRARIES = {
    "go.uber.org/automaxprocs/maxprocs": "package maxprocs\n\n//go:noinline\nfunc Set() {}\n\n//go:noinline\nfunc Unused() {}\n",
    "github.com/KimMachineGun/automemlimit/memlimit": (
        "package memlimit\n\n//go:noinline\nfunc SetGoMemLimitWithOpts() {}\n\n//go:noinline\nfunc Set() {}\n"
    ),
}


def build_gopath(folder: Path, version: str, imports: dict[str, str], *flags: str) -> Path:
    """A program built as Debian builds its own, in GOPATH mode: its build info names no dependency. ``imports`` maps packages to a call."""
    for name, source in _LIBRARIES.items():
        place = folder / "src" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "library.go").write_text(source)
    main = folder / "src" / "example.org" / "team" / "server"
    main.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f'\t"{name}"' for name in imports)
    calls = "\n".join(f"\t{call}" for call in imports.values())
    (main / "main.go").write_text(f"package main\n\nimport (\n{lines}\n)\n\nfunc main() {{\n{calls}\n}}\n")
    command = [str(toolchains.goroot(version) / "bin" / "go"), "build", *flags, "-o", str(folder / "server"), "example.org/team/server"]
    done = subprocess.run(
        command, env=toolchains.go_environment(version, GO111MODULE="off", GOPATH=str(folder)), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return folder / "server"


@pytest.mark.parametrize("flags", [(), ("-ldflags=-s -w",), ("-buildmode=pie", "-ldflags=-s -w")])
def test_libraries_are_known_without_a_list_of_dependencies(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """In a GOPATH build, as all of Debian's are, the function names tell that automaxprocs and automemlimit decide, stripped or not."""
    require(toolchains.is_present(NEWEST), f"Go {NEWEST}: scripts/toolchain {NEWEST}")
    imports = {
        "go.uber.org/automaxprocs/maxprocs": "maxprocs.Set()",
        "github.com/KimMachineGun/automemlimit/memlimit": "memlimit.SetGoMemLimitWithOpts()",
    }
    program = build_gopath(tmp_path, NEWEST, imports, *flags)
    done = run("predict", "--binary", str(program), "--cpu-limit", "2.5", "--cpus", "8", "--memory-limit", "512Mi")
    said = " ".join(done.stdout.split())
    assert "it links go.uber.org/automaxprocs, which sets GOMAXPROCS to the CPU limit rounded down, at least 1: here 2" in said
    assert (
        "it links github.com/KimMachineGun/automemlimit, which sets GOMEMLIMIT to 90 % of the memory limit, or what it is told: here 460MiB"
        in said
    )


def test_automemlimit_is_known_by_the_function_that_version_1_has(tmp_path: Path) -> None:
    """memlimit.Set took the place of SetGoMemLimitWithOpts in 1.0."""
    require(toolchains.is_present(NEWEST), f"Go {NEWEST}: scripts/toolchain {NEWEST}")
    info = read_program(str(build_gopath(tmp_path, NEWEST, {"github.com/KimMachineGun/automemlimit/memlimit": "memlimit.Set()"}))).info
    assert info is not None
    assert info.linked == ("github.com/KimMachineGun/automemlimit",)


def test_a_library_of_which_another_function_is_called_does_not_decide(tmp_path: Path) -> None:
    """The linker drops what is not called: only a program that holds the deciding function is said to link it."""
    require(toolchains.is_present(NEWEST), f"Go {NEWEST}: scripts/toolchain {NEWEST}")
    program = build_gopath(tmp_path, NEWEST, {"go.uber.org/automaxprocs/maxprocs": "maxprocs.Unused()"})
    info = read_program(str(program)).info
    assert info is not None
    assert info.linked == ()


def test_a_program_without_a_module_is_known_by_its_path(tmp_path: Path) -> None:
    """The build info's ``path`` line names a program that records no module; main_module shows it."""
    from cgtune.runtimes.go.derived.facts import program_facts
    from cgtune.runtimes.go.derived.inputs import GoInputs

    require(toolchains.is_present(NEWEST), f"Go {NEWEST}: scripts/toolchain {NEWEST}")
    program = build_gopath(tmp_path, NEWEST, {"runtime/debug": "debug.SetGCPercent(50)"})
    info = read_program(str(program)).info
    assert info is not None
    facts = program_facts(GoInputs(version=info.go, affinity_count=8), info, version="1", path="")
    assert facts.main_module == "example.org/team/server"
    assert facts.linked == ("runtime/debug.SetGCPercent",)
    assert facts.links("runtime/debug.SetGCPercent")
    assert not facts.links("runtime/debug.SetMemoryLimit")


@pytest.mark.parametrize("mode", ["plain", "pie-sw", "386", "s390x", "arm64-sw"])
@pytest.mark.parametrize("version", ["1.21.13", "1.25.5", "1.27.3"])
def test_the_table_is_read_on_every_architecture(version: str, mode: str) -> None:
    """The functions that the probe calls are found in 32-bit, big-endian and stripped programs alike."""
    require(toolchains.is_present(version), f"Go {version}: scripts/toolchain {version}")
    found = programs.read_program(reader(goprograms.build(version, mode).read_bytes()))
    assert found is not None
    assert {"runtime/debug.SetMemoryLimit", "runtime/debug.SetGCPercent"} <= set(found[1].linked)


def test_a_program_without_the_table_links_nothing_that_is_known() -> None:
    """A C program has no such table, and that is no error."""
    with open("/proc/self/exe", "rb") as file:
        elf = parse_elf(lambda offset, size: os.pread(file.fileno(), size, offset))
        assert read_linked(elf) == ()


def test_the_report_names_what_is_linked() -> None:
    """The JSON report of a live program holds ``linked``."""
    version = NEWEST
    require(toolchains.is_present(version), f"Go {version}: scripts/toolchain {version}")
    with goprograms.Probe(goprograms.build(version, "sw")) as probe:
        done = run("inspect", "--pid", str(probe.pid), "--format", "json")
    (process,) = json.loads(done.stdout)["processes"]
    assert process["go"]["linked"] == ["runtime.SetDefaultGOMAXPROCS", "runtime/debug.SetMemoryLimit", "runtime/debug.SetGCPercent"]


def test_a_table_whose_names_end_nowhere_costs_a_bounded_search() -> None:
    """A header that claims a gigabyte of names makes no read beyond what the file has, and no error."""
    data = bytearray(goprograms.build("1.27.3", "sw").read_bytes())
    elf = parse_elf(reader(bytes(data)))
    table = locate_function_table(elf)
    part = elf.segment_at(table.address)
    assert part is not None
    at = table.address - part.address + part.offset
    for word in range(4, 9):  # units and what lies behind it: all at the end of a gigabyte
        data[at + 8 + word * 8 : at + 16 + word * 8] = ((1 << 30) - 1).to_bytes(8, "little")
    assert "runtime/debug.SetGCPercent" in read_linked(parse_elf(reader(bytes(data))))
