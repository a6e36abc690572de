"""Looks at a live process the way cgtune does, with the least of file access: for tests that need the words and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cgtune.runtimes.elf import Elf
from cgtune.runtimes.go.observed.layout import LiveLayout, locate_live_words
from cgtune.runtimes.go.observed.live import LiveWords, read_live_words
from cgtune.runtimes.go.program.buildinfo import read_go_image, read_go_program
from cgtune.runtimes.go.program.mappings import Mapping, locate_biases, locate_images, locate_modules, parse_maps
from cgtune.runtimes.go.program.modinfo import BuildInfo

Reader = Callable[[int, int], bytes]


class Runtime(NamedTuple):
    """One Go runtime in one process."""

    path: str
    elf: Elf
    info: BuildInfo
    bias: int
    layout: LiveLayout
    words: LiveWords


def mappings(pid: int) -> tuple[Mapping, ...]:
    """The process's mappings."""
    return parse_maps(Path(f"/proc/{pid}/maps").read_text())


@contextmanager
def memory(pid: int) -> Iterator[Reader]:
    """A ``read_memory`` for this process; what is not mapped is empty."""
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)

    def read_memory(address: int, size: int) -> bytes:
        try:
            return os.pread(descriptor, size, address)
        except (OSError, OverflowError):
            return b""

    try:
        yield read_memory
    finally:
        os.close(descriptor)


def open_limit_files(pid: int) -> tuple[int, ...]:
    """The descriptors of a process that lead to files of CPU limits, in order."""
    links = {int(entry.name): os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    return tuple(sorted(number for number, name in links.items() if name.endswith(("/cpu.max", "/cpu.cfs_quota_us", "/cpu.cfs_period_us"))))


def read_runtimes(pid: int) -> list[Runtime]:
    """Every Go runtime of a process and its words at this moment."""
    found = []
    with memory(pid) as read_memory:
        for module in locate_modules(mappings(pid)):
            path = f"/proc/{pid}/root{module.path}"
            program = Path(f"/proc/{pid}/exe")
            if not os.path.exists(path) or os.stat(path).st_ino != module.inode:
                path = str(program) if program.stat().st_ino == module.inode else path
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                known = read_go_program(lambda offset, size, file=descriptor: os.pread(file, size, offset))  # type: ignore[misc]
                for bias in locate_biases(known[0], module) if known is not None else ():
                    assert known is not None
                    found.append(_look(module.path, *known, bias, read_memory))
            finally:
                os.close(descriptor)
    return found


def read_images(pid: int) -> list[Runtime]:
    """The Go runtimes of a packed program, from its memory alone."""
    with memory(pid) as read_memory:
        images = [read_go_image(read_memory, base) for base in locate_images(mappings(pid), read_memory)]
        return [_look("", *image, read_memory) for image in images if image is not None]


def _look(path: str, elf: Elf, info: BuildInfo, bias: int, read_memory: Reader) -> Runtime:
    layout = locate_live_words(elf, info.go, bias=bias, read_memory=read_memory)
    return Runtime(path, elf, info, bias, layout, read_live_words(layout, bias=bias, read_memory=read_memory))
