"""Go programs that hide: packed into a memfd, made by gccgo, run by an emulator. Each is reported, or named as not read."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cgtune import api
from cgtune.runtimes.go.program.mappings import is_unpacked_code, locate_modules, may_be_image, parse_maps
from tests.support import goprograms
from tests.support.command import inspect, run
from tests.support.goprograms import Probe, build, build_unpacker
from tests.support.needs import require

_UPX = (
    "00400000-00802000 r-xs 00000000 00:01 80   /memfd:upx (deleted)\n"
    "00802000-00be3000 r--p 00000000 00:00 0 \n"
    "00be3000-02c5e000 rw-p 00000000 00:00 0 \n"
    "7f8df5954000-7f8df5955000 r--p 00000000 fe:00 3056582   /app/golem\n"
)

# What gccgo makes, as far as it matters here, for machines without a gccgo: the variables of its runtime and the section that names it
_LIKE_GCCGO = """
#include <unistd.h>
int procs __asm__("runtime.gomaxprocs") = 7;
int cpus __asm__("runtime.ncpu") = 4;
int take(int n) __asm__("runtime.GOMAXPROCS");
int take(int n) { for (int i = 0; i < 99; i++) n = n * 31 + procs + cpus; return n; }
__asm__(".pushsection .go_export,\\"\\",@progbits\\n.ascii \\"v3;\\"\\n.popsection");
int main(void) { write(1, "up\\n", 3); sleep(60); return take(1); }
"""


def test_code_in_a_memfd_may_be_unpacked() -> None:
    """UPX 5 puts the code into a memfd, which has an inode: it is looked at as a file, and as memory."""
    mappings = parse_maps(_UPX)
    assert next(mapping.start for mapping in mappings if may_be_image(mapping)) == 0x400000
    assert any(is_unpacked_code(mapping) for mapping in mappings)
    assert [module.path for module in locate_modules(mappings)] == ["/memfd:upx"]


@pytest.mark.fetched
def test_a_program_unpacked_into_a_memfd_is_read() -> None:
    """Its version and live values are those of the program, with no note of what its file does not say."""
    require(goprograms.is_present("1.27.3"), "Go 1.27.3: scripts/toolchain 1.27.3")
    environment = {"UNPACK": str(build("1.27.3", "sw")), "UNPACK_MEMFD": "1", "GOMAXPROCS": "5"}
    with Probe(build_unpacker(), environment=environment) as probe:
        assert "/memfd:upx" in Path(f"/proc/{probe.pid}/maps").read_text()
        process = inspect(probe.pid)
    assert (process["go"]["version"], process["settings"]["GOMAXPROCS"]["observed"]) == ("1.27.3", 5)
    assert not any("cannot tell" in note["why"] for note in process["notes"])


def _report_gccgo(program: Path, **environment: str) -> tuple[dict[str, object], str]:
    with subprocess.Popen([program], stdout=subprocess.PIPE, env={**os.environ, **environment}) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            return inspect(process.pid), run("inspect", "--pid", process.pid).stdout
        finally:
            process.kill()


@pytest.mark.parametrize("flags", [(), ("-static",), ("-no-pie",)], ids=["pie", "static", "fixed"])
def test_the_runtime_of_gccgo_is_read_by_its_variables(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """A program with the section and the variables that gccgo writes is reported as gccgo's, with GOMAXPROCS from its memory."""
    require(shutil.which("gcc"), "gcc: apt-get install gcc")
    (tmp_path / "like.c").write_text(_LIKE_GCCGO)
    program = tmp_path / "server"
    subprocess.run(["gcc", "-O1", "-w", *flags, "-o", program, tmp_path / "like.c"], check=True)
    process, table = _report_gccgo(program, GOMAXPROCS="7")
    go, settings = process["go"], process["settings"]
    assert isinstance(go, dict)
    assert isinstance(settings, dict)
    assert (process["kind"], go["compiler"], go["container_aware"], go["cpus_at_start"]) == ("go", "gccgo", False, 4)
    assert str(go["version"]).startswith("gccgo")
    assert (settings["GOMAXPROCS"]["observed"], settings["GOMAXPROCS"]["derived"]) == (7, 7)
    assert "GOGC is not" in table
    assert "Go 1." not in table


@pytest.mark.parametrize(
    ("flags", "reads", "cpus"),
    [(("-no-pie",), 'extern int cpus __asm__("runtime.ncpu");', 4), (("-fPIE", "-pie"), "int cpus;", 4)],
    ids=["copied", "in the library"],
)
def test_the_cpu_count_of_gccgo_is_where_the_program_has_it(tmp_path: Path, flags: tuple[str, ...], reads: str, cpus: int) -> None:
    """A program that reads the library's variable itself gets a copy of it, which is the one that holds from then on."""
    require(shutil.which("gcc"), "gcc: apt-get install gcc")
    library = _LIKE_GCCGO[: _LIKE_GCCGO.index("int main")].replace('cpus __asm__("runtime.ncpu") = 4', 'cpus __asm__("runtime.ncpu")')
    (tmp_path / "like.c").write_text(library + "__attribute__((constructor)) static void osinit(void) { cpus = 4; }")
    section = library[library.index('__asm__(".pushsection') :]
    main = f'#include <unistd.h>\n{reads}\nint take(int) __asm__("runtime.GOMAXPROCS");\n{section}'
    (tmp_path / "main.c").write_text(main + 'int main(void) { write(1, "up\\n", 3); sleep(60); return take(cpus); }')
    shared, program = tmp_path / "liblike.so", tmp_path / "server"
    subprocess.run(["gcc", "-O1", "-w", "-shared", "-fPIC", "-o", shared, tmp_path / "like.c"], check=True)
    subprocess.run(["gcc", "-O1", "-w", *flags, "-o", program, tmp_path / "main.c", shared, f"-Wl,-rpath,{tmp_path}"], check=True)
    process, _ = _report_gccgo(program)
    assert isinstance(process["go"], dict)
    assert process["go"]["cpus_at_start"] == cpus


def test_a_stripped_program_of_gccgo_is_named(tmp_path: Path) -> None:
    """Without symbols its GOMAXPROCS cannot be read: what it derives stands, and a note says why."""
    require(shutil.which("gcc") and shutil.which("strip"), "gcc: apt-get install gcc binutils")
    (tmp_path / "like.c").write_text(_LIKE_GCCGO)
    program = tmp_path / "server"
    subprocess.run(["gcc", "-O1", "-w", "-s", "-o", program, tmp_path / "like.c"], check=True)
    process, _ = _report_gccgo(program, GOMAXPROCS="3")
    settings, notes = process["settings"], process["notes"]
    assert isinstance(settings, dict)
    assert isinstance(notes, list)
    assert (settings["GOMAXPROCS"]["observed"], settings["GOMAXPROCS"]["derived"]) == (None, 3)
    assert any("has no symbols" in note["why"] for note in notes)


def test_a_program_like_gccgos_is_called_by_its_name_before_it_starts(tmp_path: Path) -> None:
    """predict and exec say "gccgo", and that a GOMEMLIMIT has no effect there, whatever it says."""
    require(shutil.which("gcc"), "gcc: apt-get install gcc")
    (tmp_path / "like.c").write_text(_LIKE_GCCGO)
    program = tmp_path / "server"
    subprocess.run(["gcc", "-O1", "-w", "-o", program, tmp_path / "like.c"], check=True)
    predicted = run("predict", "--cpus", 8, "--cpu-limit", "2500m", "--binary", program).stdout
    assert "Go gccgo" not in predicted
    assert "finding    gccgo" in predicted
    started = run("exec", "--dry-run", "--", program, GOMEMLIMIT="junk").stderr
    assert f"exec {program} (gccgo" in started
    assert "GOMEMLIMIT kept at 'junk' (it was set already; it has no effect: this runtime has no memory limit)" in started


@pytest.mark.parametrize("flags", [(), ("-O2",), ("-static-libgo",)])
def test_a_real_program_of_gccgo_is_reported(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Debian's gccgo: the runtime in libgo.so or linked in, its version that of GCC, GOMAXPROCS as the program says it."""
    gccgo = shutil.which("gccgo") or shutil.which("gccgo-12")
    require(gccgo, "gccgo: apt-get install gccgo-12")
    source = 'package main\n\nimport (\n\t"fmt"\n\t"runtime"\n\t"time"\n)\n\n'
    source += "func main() {\n\tfmt.Println(runtime.GOMAXPROCS(0), runtime.NumCPU())\n"
    (tmp_path / "main.go").write_text(source + "\ttime.Sleep(time.Minute)\n}\n")
    program = tmp_path / "server"
    subprocess.run([str(gccgo), *flags, "-o", program, tmp_path / "main.go"], check=True)
    process, table = _report_gccgo(program, GOMAXPROCS="7")
    settings = process["settings"]
    assert isinstance(settings, dict)
    assert settings["GOMAXPROCS"]["observed"] == 7
    assert "  runtime    gccgo 1" in table
    assert isinstance(process["go"], dict)
    assert process["go"]["cpus_at_start"] == len(os.sched_getaffinity(0))
    assert isinstance(process["notes"], list)
    assert [note["why"] for note in process["notes"]] == ["of the runtime of gccgo GOMAXPROCS and the CPU count are read, GOGC is not"]


_GUESTS = [("arm64", "qemu-aarch64-static", 7), ("arm64-sw", "qemu-aarch64-static", 7), ("riscv64", "qemu-riscv64-static", 7)]


@pytest.mark.fetched
@pytest.mark.parametrize(
    ("mode", "emulator", "observed"), [*_GUESTS, ("riscv64-sw", "qemu-riscv64-static", None), ("s390x", "qemu-s390x-static", None)]
)
def test_a_program_under_an_emulator_is_reported(mode: str, emulator: str, observed: int | None) -> None:
    """The guest's version is read from its file, its live values if its memory proves to hold its code, else there is one note."""
    require(shutil.which(emulator), f"{emulator}: apt-get install qemu-user-static")
    require(goprograms.is_present("1.27.3"), "Go 1.27.3: scripts/toolchain 1.27.3")
    with Probe(build("1.27.3", mode), environment={"GOMAXPROCS": "7"}, wrapper=(str(shutil.which(emulator)),)) as probe:
        process, table = inspect(probe.pid), run("inspect", "--pid", probe.pid).stdout
        (facts,) = api.inspect(pid=probe.pid).processes[0].snapshot.go
    go = process["go"]
    assert (go["version"], go["emulator"], process["settings"]["GOMAXPROCS"]["observed"]) == ("1.27.3", emulator, observed)
    assert not facts.program.in_library
    assert f"under {emulator}" in table
    # of riscv64 the settings are read by symbols; what collector and scheduler count is read off code, which it is not
    assert len([note for note in process["notes"] if note["path"].endswith("/mem")]) == (observed is None or mode == "riscv64")
    assert (process["go"]["live"] is None or process["go"]["live"]["goroutines"] is None) == ("arm64" not in mode)
    assert not any("shared library" in note["why"] for note in process["notes"])


def test_an_emulator_whose_program_cannot_be_seen_is_no_clean_verdict(tmp_path: Path) -> None:
    """A process with the name of an emulator that maps no other file: ps counts it as not seen, check exits with 3 and names it."""
    require(shutil.which("gcc"), "gcc: apt-get install gcc")
    (tmp_path / "main.c").write_text('#include <unistd.h>\nint main(void) { write(1, "up\\n", 3); sleep(60); return 0; }\n')
    program = tmp_path / "qemu-aarch64-static"
    subprocess.run(["gcc", "-static", "-o", program, tmp_path / "main.c"], check=True)
    with subprocess.Popen([program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            done = run("check", "--pid", process.pid)
        finally:
            process.kill()
    assert done.returncode == 3
    assert "runs under qemu-aarch64-static, an emulator" in done.stderr
