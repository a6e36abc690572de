"""Neighbours who want to fill the memory or the time of whoever looks at them; and what a look costs, measured in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.command import uncounted
from tests.support.elfs import READ, RUN, WRITE, Named, Part, elf, framed, go_program, inline_record

_HOLDER = """
import mmap, os, sys
folder, kept = sys.argv[1], []
names = sorted(os.listdir(folder))
for name in names:
    file = os.open(f"{folder}/{name}", os.O_RDONLY)
    kept.append(mmap.mmap(file, min(8192, os.fstat(file).st_size), prot=mmap.PROT_READ | mmap.PROT_EXEC, flags=mmap.MAP_PRIVATE))
    os.close(file)
print("ready", flush=True)
sys.stdin.read()
"""

# argv: how many looks, which folder's files are touched before each, pids. Prints, by look, CPU time, growth of memory, and the report.
_LOOKER = """
import json, os, sys, time
from cgtune.outputs.json import render_json
from cgtune.service.follow import Follower
from cgtune.system.host import Host

def peak_bytes():
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) << 10

looks, folder, pids = int(sys.argv[1]), sys.argv[2], tuple(map(int, sys.argv[3:]))
with Host() as host:
    follower = Follower(host, (os.getpid(),), None)
    follower.look(0.0)  # loads what any look needs
    render_json(follower.look(0.5).report)
    follower = Follower(host, pids, None)
    before, told = peak_bytes(), []
    for number in range(looks):
        for name in sorted(os.listdir(folder)) if folder else ():
            os.utime(f"{folder}/{name}")
        began = time.process_time()
        look = follower.look(1.0 + number)
        seconds = time.process_time() - began
        text = render_json(look.report)
        notes = [[note.path, note.why] for process in look.report.processes for note in process.notes]
        seen = [process.snapshot.process.pid for process in look.report.processes]
        paths = sorted({facts.program.path for process in look.report.processes for facts in process.snapshot.go})
        told.append({"seconds": seconds, "bytes": peak_bytes() - before, "report": len(text), "notes": notes, "pids": seen, "go": paths})
print(json.dumps(told))
"""


@contextlib.contextmanager
def holders(folder: Path, count: int = 1) -> Iterator[list[int]]:
    """The pids of processes that have each file of a folder in their memory, as code."""
    command = [sys.executable, "-I", "-c", _HOLDER, str(folder)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def look_at(pids: Sequence[int], *, looks: int = 1, touched: Path | None = None) -> list[dict[str, Any]]:
    """What the service finds at these processes, look by look: "seconds" of CPU, "bytes" by which the peak of memory grew until then,
    the length of the "report", its "notes" on processes, the "pids" in it, and the files of the "go" programs in them.
    """
    run = subprocess.run(
        [sys.executable, "-c", _LOOKER, str(looks), str(touched or ""), *map(str, pids)],
        capture_output=True,
        text=True,
        env=uncounted(),
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told: list[dict[str, Any]] = json.loads(run.stdout)
    return told


def make_fat_programs(folder: Path, count: int, lines: int = 19_000) -> None:
    """Files that say they are Go programs with as many dependencies as a record may have, each with names of its own."""
    folder.mkdir()
    for number in range(count):
        text = "".join(f"dep\texample.org/{number}/module/{at}\tv1.2.{at}\n" for at in range(lines))
        asked = "path\texample.org/fat\nmod\texample.org/fat\tv1\n" + text + "dep\tgo.uber.org/automaxprocs\tv1.5.2\n"
        settings = "build\tDefaultGODEBUG=containermaxprocs=0\n"
        (folder / f"{number:03}").write_bytes(go_program(inline_record("go1.25.5", framed(asked + settings)), kind=3))


def make_sparse_libraries(folder: Path, count: int, megabytes: int = 32) -> None:
    """Files without section headers, of which the whole of a hole has to be searched to know that they are not Go's."""
    folder.mkdir()
    head = elf([Part(0x1000, b"\xc3" * 64, READ | RUN), Part(0x2000, b"\1", READ | WRITE)], kind=3)
    at = head.index(struct.pack("<IIQ", 1, READ | WRITE, head.rindex(b"\1")))
    size = struct.pack("<QQ", megabytes << 20, megabytes << 20)
    for number in range(count):
        path = folder / f"{number:03}"
        path.write_bytes(head[: at + 32] + size + head[at + 48 :])
        os.truncate(path, (megabytes << 20) + len(head))


# argv: what to be, and its numbers. Prints a line when it is so.
_SCENE = """
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
kind, go, number, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
page = mmap.PAGESIZE
file = os.open(go, os.O_RDONLY)
libc.mmap(None, 2 * page, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, file, 0)
if kind == "maps":
    # Each second page may be run and the ones between only read: no two are one mapping
    start = libc.mmap(None, number * page, mmap.PROT_READ, mmap.MAP_PRIVATE, os.open(path, os.O_RDONLY), 0)
    for at in range(0, number, 2):
        assert not libc.mprotect(start + at * page, page, mmap.PROT_READ | mmap.PROT_EXEC), os.strerror(ctypes.get_errno())
if kind == "mounts":
    # In a mount namespace of its own, which goes with it
    assert not libc.unshare(0x20000) and not libc.mount(None, b"/", None, (1 << 18) | (1 << 14), None)
    assert not libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, b"size=64m")
    os.chdir(path)
    for at in range(number):
        os.mkdir(f"m{at}")
        assert not libc.mount(b"m0", f"m{at}".encode(), None, 4096, None), os.strerror(ctypes.get_errno())
if kind == "threads":
    import threading
    threading.stack_size(65536)
    for at in range(number):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
if kind == "environ":
    # Over its own environment, as it stands in memory, it writes nothing but ends of Go's names
    where = open("/proc/self/stat").read().rpartition(")")[2].split()
    first, end = int(where[47]), int(where[48])
    filling = b"GO\\0GOGC\\0GOGC=\\0"
    ctypes.memmove(first, (filling * ((end - first) // len(filling) + 1))[: end - first], end - first)
print("ready", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def scene(kind: str, folder: Path, number: int = 0, *, path: Path | None = None, count: int = 1) -> Iterator[list[int]]:
    """The pids of so many processes that have a Go library in their memory and are dear to look at: they have ``number`` "maps" of the file
    at ``path``, "mounts" on the folder there, or "threads"; or an "environ" of two MiB, written over.
    """
    go = folder / "go"
    go.write_bytes(go_program(inline_record("go1.25.5", framed("path\texample.org/x\nmod\texample.org/x\tv1\n")), kind=3))
    command = [sys.executable, "-I", "-c", _SCENE, kind, str(go), str(number), str(path or "")]
    environ = {f"X{at}": "x" * 100_000 for at in range(15)} if kind == "environ" else None
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) for _ in range(count)]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def make_long_file(folder: Path, pages: int) -> Path:
    """A sparse file of so many pages whose path has some 3,900 bytes, so that each line of mappings has as many."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    while len(os.readlink(f"/proc/self/fd/{descriptor}")) < 3650:
        os.mkdir("d" * 250, dir_fd=descriptor)
        below = os.open("d" * 250, os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    path = Path(os.readlink(f"/proc/self/fd/{descriptor}")) / "long"
    os.close(descriptor)
    with path.open("wb") as file:
        file.truncate(pages * os.sysconf("SC_PAGE_SIZE"))
    return path


def make_table_programs(folder: Path, count: int) -> None:
    """Go programs by their build info, with symbol tables of 24 MiB and names of 120 in which the runtime's are looked for in vain."""
    folder.mkdir()
    record, names = inline_record("go1.25.5", framed("path\tx\nmod\tx\tv1\n")), b"\0" + b"runtime.gomaxproc\0" * 58_000
    for number in range(count):
        data = record + bytes((number,)) * 64
        parts = [Part(0x400000, b"\xc3" * 64, READ | RUN), Part(0x600000, data, READ | WRITE, more=256)]
        sections = [
            Named(".text", 0x400000, 64),
            Named(".go.buildinfo", 0x600000, len(data)),
            Named(".strtab", 0, 120 << 20, 3, names),
            Named(".symtab", 0, 24 << 20, 2, b"", link=3, entry_bytes=24),
        ]
        path = folder / f"{number:03}"
        path.write_bytes(elf(parts, sections, kind=3))
        os.truncate(path, 200 << 20)
