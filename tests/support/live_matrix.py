"""Every toolchain, every way to build: what cgtune reads from the memory of each program against what the program says of itself.

``scripts/live-matrix [VERSION,... [MODE,...]]`` prints one line a build and the count of comparisons; it fails at the first that differs.
Modes of arm64 run under qemu-user where that is installed (qemu-user-static, and libc6-arm64-cross for PIE).
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cgtune.runtimes.go.observed.counts import UNPROVEN
from cgtune.runtimes.go.observed.layout import locate_live_words
from cgtune.runtimes.go.observed.live import LiveWords, read_live_words
from cgtune.runtimes.go.program.buildinfo import read_go_program
from cgtune.runtimes.go.program.mappings import parse_maps
from tests.support import goprograms, toolchains
from tests.support.elfs import reader
from tests.support.goprocess import memory, open_limit_files, read_runtimes
from tests.support.goprograms import LibraryHost, Probe

MODES = (
    *("plain", "sw", "pie", "pie-sw", "strip", "trimpath", "cgo", "cgo-sw", "cgo-pie-sw", "cgo-pie-strip", "shared", "shared-sw"),
    *("unoptimized", "unoptimized-sw", "v3-sw", "race-sw", "arm64", "arm64-sw", "arm64-pie", "arm64-pie-sw"),
)
EMULATOR = ("qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu")
COMMANDS = (
    *("report", "gomaxprocs 7", "memlimit 123456789", "gogc 55", "alloc 20000000", "gogc -1", "gc", "gogc 0", "memlimit 0"),
    *("memlimit 9223372036854775807", "gogc 100", "wait 300", "gomaxprocs 2", "wake", "gc", "wait 7"),
)
COUNTS = (
    *("heap_goal_bytes", "collections", "forced_collections", "last_collection_unix_seconds", "gc_cpu_fraction", "gc_cpu_seconds"),
    *("goroutines", "queued_goroutines", "idle_procs"),
)
# Without the optimizer a function keeps its argument in memory, and where a P keeps its free goroutines is not proven
UNPROVEN_IN = {"unoptimized": {"goroutines", "queued_goroutines"}, "unoptimized-sw": {"goroutines", "queued_goroutines"}}
NOT_PROVEN = (f"{UNPROVEN}the goroutines and their queues",)
OLDER = "the next collection, those so far and the goroutines are read of Go 1.21 to 1.27: this is "


def count_differences(said: dict[str, Any], words: LiveWords) -> dict[str, str | None]:
    """Each count of a program at rest: None if it is what the program says, "null" if it is not told, else what is wrong in words."""
    ended, collector = said["last_gc"] or None, said["gc_seconds"] - said["gc_idle_seconds"]
    goal = said["heap_goal"]
    expected: dict[str, Any] = {
        "heap_goal_bytes": "off" if goal >= 1 << 47 else goal,
        "collections": said["collections"],
        "forced_collections": said["forced"],
        "last_collection_unix_seconds": ended and ended / 1e9,
        "gc_cpu_fraction": said["gc_cpu_fraction"] if ended else None,
        "gc_cpu_seconds": collector if ended else None,
        "goroutines": said["goroutines"],
        "queued_goroutines": 0,
        "idle_procs": said["gomaxprocs"],
    }
    # what the limit leaves for the heap moves with each page that the runtime maps or gives back
    near = {"gc_cpu_seconds": 1e-6, "heap_goal_bytes": 0 if said["memory_limit"] == "off" else 1 << 20}
    found: dict[str, str | None] = {}
    for name, value in expected.items():
        read = None if words.live is None else getattr(words.live, name)
        numbers = isinstance(read, int | float) and isinstance(value, int | float)
        agrees = read == value or (numbers and abs(read - value) <= near.get(name, 0))
        found[name] = None if agrees else "null" if read is None else f"{name}: {read!r}, not {value!r}"
    return found


def settle(ask: Callable[[str], dict[str, Any]], read: Callable[[], LiveWords]) -> dict[str, str | None]:
    """The differences once the program is at rest: it answers before the goroutines that it woke have ended."""
    found: dict[str, str | None] = {}
    for _ in range(50):
        before = ask("report")
        time.sleep(0.02)
        found = count_differences(before, read())
        if set(found.values()) <= {None, "null"}:
            break
    return found


def differences(
    said: dict[str, object], words: LiveWords, command: str, *, aware: bool, limit_fds: tuple[int, ...], notes: tuple[str, ...] = ()
) -> list[str]:
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
        "notes": notes,
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
    guests = parse_maps(Path(f"/proc/{pid}/maps").read_text(), guest=True)
    first = next(mapping for mapping in guests if mapping.inode == program.stat().st_ino)
    bias = first.start - first.offset + elf.segments[0].offset - elf.segments[0].address
    with memory(pid) as read_memory:
        layout = locate_live_words(elf, info.go, bias=bias, read_memory=read_memory)
        return read_live_words(layout, bias=bias, read_memory=read_memory)


def compare(version: str, mode: str) -> Counter[str]:
    """Build one program, run it through all commands, and count what was compared; SystemExit where one differs."""
    aware, old = version >= "1.25", version < "1.21"
    program = goprograms.build(version, mode, language="1.25" if aware else "1.21")
    shared, emulated = mode.startswith("shared"), mode.startswith("arm64")
    host = LibraryHost(program) if shared else Probe(program, wrapper=EMULATOR if emulated else ())
    unproven = set(COUNTS) if old else UNPROVEN_IN.get(mode, set())
    compared: Counter[str] = Counter()
    with host:

        def ask(command: str) -> dict[str, Any]:
            return host.ask(f"0 {command}" if shared else command)

        def read() -> LiveWords:
            return _read_emulated(host.pid, program) if emulated else read_runtimes(host.pid)[0].words

        for command in COMMANDS:
            said = ask(command)
            words = read()
            notes: tuple[str, ...] = (f"{OLDER}go{goprograms.DEBIAN}",) if old else NOT_PROVEN if unproven else ()
            if old and words.notes[:1] and words.notes[0].startswith(OLDER):
                notes = words.notes  # Debian's has a patch level of its own
            wrong = differences(said, words, command, aware=aware, limit_fds=open_limit_files(host.pid), notes=notes)
            if wrong and words.notes != notes:  # with a limit of 0 it collects all the time, and a read may fall into the end of one
                words = read()
                wrong = differences(said, words, command, aware=aware, limit_fds=open_limit_files(host.pid), notes=notes)
            if wrong:
                raise SystemExit(f"go {version} {mode}, after {command}: {'; '.join(wrong)}")
            counts = settle(ask, read)
            if wrong := [text for name, text in counts.items() if text is not None and (text != "null" or name not in unproven)]:
                raise SystemExit(f"go {version} {mode}, after {command}: {'; '.join(wrong)}")
            compared["readings"] += 1
            compared["counts"] += sum(text is None for text in counts.values())
            compared["null"] += sum(text == "null" for text in counts.values())
    return compared


def main(versions: Sequence[str], modes: Sequence[str]) -> None:
    """Compare every version in every mode."""
    total: Counter[str] = Counter()
    for version in versions:
        for mode in modes:
            if mode.startswith("arm64") and not any(os.access(f"{place}/{EMULATOR[0]}", os.X_OK) for place in os.get_exec_path()):
                print(f"go {version} {mode}: not run, needs {EMULATOR[0]}")
                continue
            total += compare(version, mode)
            print(f"go {version} {mode}: as the program says", flush=True)
    print(f"{total['readings']} readings compared, no difference; counts: {total['counts']} as said, {total['null']} null, none wrong")


if __name__ == "__main__":
    chosen = [argument.split(",") for argument in sys.argv[1:]]
    present = (*((goprograms.DEBIAN,) if goprograms.is_present(goprograms.DEBIAN) else ()), *toolchains.VERSIONS)
    main(chosen[0] if chosen else present, chosen[1] if len(chosen) > 1 else MODES)
