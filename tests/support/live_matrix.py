"""Every toolchain, every way to build: what cgtune reads from the memory of each program against what the program says of itself.

``scripts/live-matrix [VERSION,... [MODE,...]]`` prints one line a build and the count of comparisons; it fails at the first that differs.
Modes of arm64 run under qemu-user where that is installed (qemu-user-static, and libc6-arm64-cross for PIE).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cgtune.runtimes.go.observed.layout import locate_live_words
from cgtune.runtimes.go.observed.live import LiveWords, read_live_words
from cgtune.runtimes.go.program.buildinfo import read_go_program
from tests.support import goprograms, toolchains
from tests.support.elfs import reader
from tests.support.goprocess import mappings, memory, open_limit_files, read_runtimes
from tests.support.goprograms import LibraryHost, Probe

MODES = (
    *("plain", "sw", "pie", "pie-sw", "strip", "trimpath", "cgo", "cgo-sw", "cgo-pie-sw", "cgo-pie-strip", "shared", "shared-sw"),
    *("unoptimized", "unoptimized-sw", "v3-sw", "race-sw", "arm64", "arm64-sw", "arm64-pie", "arm64-pie-sw"),
)
EMULATOR = ("qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu")
COMMANDS = (
    *("report", "gomaxprocs 7", "memlimit 123456789", "gogc 55", "alloc 20000000", "gogc -1", "gc", "gogc 0", "memlimit 0"),
    *("memlimit 9223372036854775807", "gogc 100"),
)


def differences(said: dict[str, object], words: LiveWords, command: str, *, aware: bool, limit_fds: tuple[int, ...]) -> list[str]:
    """Each word that is not what the program says, in words."""
    expected = {
        "gomaxprocs": said["gomaxprocs"],
        "cpus_at_start": said["num_cpu"],
        "memory_limit_bytes": said["memory_limit"],
        "gc_percent": said["gc_percent"],
        "pinned": (command != "report") if aware else None,
        "container_setting": aware,
        "updates": aware,
        "limit_fds": limit_fds,
        "notes": (),
    }
    if command == "gc" and said["heap_marked"]:  # GOGC is off then: no other collection comes between
        expected["heap_marked_bytes"] = said["heap_marked"]
    found = [f"{name}: {getattr(words, name)!r}, not {value!r}" for name, value in expected.items() if getattr(words, name) != value]
    mapped = said["mapped"]
    if words.mapped_bytes is None or not isinstance(mapped, int) or abs(words.mapped_bytes - mapped) > 2 << 20:
        found.append(f"mapped_bytes: {words.mapped_bytes}, not about {mapped}")
    return found


def _read_emulated(pid: int, program: Path) -> LiveWords:
    """A guest's code is data to this machine: no mapping of it is executable, and its executable is not /proc/PID/exe."""
    found = read_go_program(reader(program.read_bytes()))
    assert found is not None
    elf, info = found
    first = next(mapping for mapping in mappings(pid) if mapping.inode == program.stat().st_ino)
    bias = first.start - first.offset + elf.segments[0].offset - elf.segments[0].address
    with memory(pid) as read_memory:
        layout = locate_live_words(elf, info.go, bias=bias, read_memory=read_memory)
        return read_live_words(layout, bias=bias, read_memory=read_memory)


def compare(version: str, mode: str) -> int:
    """Build one program, run it through all commands, and return how many readings were compared; SystemExit where one differs."""
    aware = version >= "1.25"
    program = goprograms.build(version, mode, language="1.25" if aware else "1.21")
    shared, emulated = mode.startswith("shared"), mode.startswith("arm64")
    host = LibraryHost(program) if shared else Probe(program, wrapper=EMULATOR if emulated else ())
    with host:
        for command in COMMANDS:
            said = host.ask(f"0 {command}" if shared else command)
            words = _read_emulated(host.pid, program) if emulated else read_runtimes(host.pid)[0].words
            if wrong := differences(said, words, command, aware=aware, limit_fds=open_limit_files(host.pid)):
                raise SystemExit(f"go {version} {mode}, after {command}: {'; '.join(wrong)}")
    return len(COMMANDS)


def main(versions: Sequence[str], modes: Sequence[str]) -> None:
    """Compare every version in every mode."""
    total = 0
    for version in versions:
        for mode in modes:
            if mode.startswith("arm64") and not any(os.access(f"{place}/{EMULATOR[0]}", os.X_OK) for place in os.get_exec_path()):
                print(f"go {version} {mode}: not run, needs {EMULATOR[0]}")
                continue
            total += compare(version, mode)
            print(f"go {version} {mode}: as the program says", flush=True)
    print(f"{total} readings compared, no difference")


if __name__ == "__main__":
    chosen = [argument.split(",") for argument in sys.argv[1:]]
    present = (*((goprograms.DEBIAN,) if goprograms.is_present(goprograms.DEBIAN) else ()), *toolchains.VERSIONS)
    main(chosen[0] if chosen else present, chosen[1] if len(chosen) > 1 else MODES)
