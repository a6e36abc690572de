"""Which executables and libraries a process has in its memory, and where, from the text of /proc/PID/maps (proc_pid_maps(5)).

A process may run several Go runtimes: each Go library (c-shared) brings its own, beside a program that may be Python or nginx.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.records import Record
from cgtune.runtimes.elf import is_elf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cgtune.runtimes.elf import Elf, ReadAt

#: A text that is larger is not held at once, but read piece by piece.
MOST_TEXT_BYTES = 2 << 20
_MOST_LINES = 200_000  # vm.max_map_count is 65530 unless someone raised it
_MOST_MODULES = 1024
_MOST_IMAGES = 64
_MOST_FIRSTS = 64  # a file's header lies right before its code, however many files there are
_LEAST_FIELDS = 5
_MOST_OF_A_FILE = 16  # dlmopen(3) loads a library so often at the most; who maps one by the ten thousand wants to keep us busy
_DELETED = " (deleted)"
#: What the kernel calls memory that is shared: of memfd_create(2), mmap(2) with MAP_SHARED and MAP_ANONYMOUS, shmat(2).
MEMORY_PATHS = ("/memfd:", "/dev/zero", "/SYSV")


class Mapping(Record):
    """One line: the addresses from ``start`` up to ``end``. ``path`` is empty for anonymous memory; inode 0 is no file."""

    start: int
    end: int
    readable: bool
    writable: bool
    executable: bool
    offset: int
    device: str
    inode: int
    path: str
    deleted: bool

    @property
    def file(self) -> tuple[str, int, str]:
        """What is the same for all mappings of one file."""
        return self.device, self.inode, self.path


class Module(Record):
    """A file of which the process has executable mappings: its program, a shared library, perhaps one that was deleted since."""

    device: str
    inode: int
    path: str
    deleted: bool
    mappings: tuple[Mapping, ...]


def parse_maps(text: str, *, guest: bool = False) -> tuple[Mapping, ...]:
    r"""The mappings of /proc/PID/maps that can tell of a runtime, ascending. Raises Malformed.

    7f4ee2a00000-7f4ee2a28000 r-xp 00001000 fe:01 1835021                    /usr/lib/libc.so.6
    1 start-end (2) 3 permissions 4 file offset 5 device 6 inode 7 path, with newlines as \012 and " (deleted)" behind it

    There can be 65 000, too many to keep in a small container. So of each file that holds code its first mapping and those that are
    executable are kept, 16 in all; of the anonymous ones the first 64 that may be an image, and the first that is unpacked code. A line
    that is not kept is not taken apart.
    ``guest``: of the program that an emulator runs, of which nothing is executable to the kernel; then all files count.
    """
    if text.count("\n") > _MOST_LINES:
        raise Malformed(f"more than {_MOST_LINES} memory mappings")
    return parse_map_lines(split_lines((text,)), guest=guest)


def parse_map_lines(lines: Iterable[str], *, guest: bool = False) -> tuple[Mapping, ...]:
    """As parse_maps, of lines that come one by one, as the whole text may be too large to be held."""
    kept: list[Mapping] = []
    counts: dict[tuple[str, ...], int] = {}  # of each file that holds code, how many are kept
    firsts: dict[tuple[str, ...], str] = {}  # of the files that were met last, and hold no code as far as is known, the first line
    images = codes = 0
    for number, line in enumerate(lines):
        if number >= _MOST_LINES:
            raise Malformed(f"more than {_MOST_LINES} memory mappings")
        fields = line.split(None, 5)
        if len(fields) < _LEAST_FIELDS or len(fields[1]) < len("r-x") or not fields[4].isdecimal():
            raise _not_a_line(line)
        is_code, is_file, file = fields[1][2] == "x", fields[4].strip("0") != "", tuple(fields[3:])
        if is_file and (is_code or guest):
            first = firsts.pop(file, None)
            for one in (line,) if first is None else (first, line):
                if counts.setdefault(file, 0) < _MOST_OF_A_FILE:
                    kept.append(_parse_line(one))
                    counts[file] += 1
            if len(counts) > _MOST_MODULES:
                raise Malformed(f"more than {_MOST_MODULES} libraries in one process")
            continue
        is_memory_line = not is_file or fields[-1].startswith(MEMORY_PATHS)
        if is_memory_line and (images < _MOST_IMAGES or (is_code and not codes)):
            mapping = _parse_line(line)
            if may_be_image(mapping) or (is_unpacked_code(mapping) and not codes):
                images += may_be_image(mapping)
                codes += is_unpacked_code(mapping)
                kept.append(mapping)
                continue
        if is_file and file not in counts and file not in firsts:
            if len(firsts) >= _MOST_FIRSTS:
                firsts.clear()
            firsts[file] = line
    return tuple(sorted(kept, key=lambda mapping: mapping.start))


def parse_code(text: str) -> tuple[tuple[str, ...], list[str]] | None:
    """Returns (of each mapping of a file's code its line from the offset on, what stands before that), in the order of the lines: libraries
    lie in another order in each process.

    None if there is code that no file backs, memory that looks like a file, a line that cannot be told, or more code than any program has:
    then each line has to be looked at. Nine lines of ten are not even parted: a node has them by the hundred thousand.
    """
    if "xs " in text or "/memfd:" in text:
        return None
    pieces = text.split("xp ", _MOST_MODULES + 1)
    if len(pieces) > _MOST_MODULES + 1:
        return None
    found: list[tuple[str, str]] = []
    before = pieces[0]
    for after in pieces[1:]:
        line, head = after.partition("\n")[0], before[before.rfind("\n") + 1 :]
        before = after
        fields = line.split(None, 3)
        path = fields[3] if len(fields) > 3 else ""
        if head[-3:-2] != " " or head.count(" ") != 1 or "-" not in head:
            return None  # a path that holds what parts the lines here
        if fields[2:3] == ["0"]:
            if path.startswith("[v"):
                continue  # the kernel's own
            return None
        if not path.startswith("/") or path.startswith(MEMORY_PATHS):
            return None
        found.append((line, head))
    found.sort()
    return tuple([line for line, _ in found]), [head for _, head in found]


def parse_code_mappings(text: str) -> tuple[Mapping, ...] | None:
    """What parse_maps gives if parse_code can tell; None if it cannot, or if there is much of it."""
    code = parse_code(text)
    if code is None or len(code[0]) > _MOST_OF_A_FILE:
        return None
    kept: dict[int, Mapping] = {}
    for line, head in zip(*code, strict=True):
        end = text.find(f" {line.partition(' ')[2]}\n")  # of the file's first mapping
        for mapping in (_parse_line(text[text.rfind("\n", 0, end) + 1 :].partition("\n")[0]), _parse_line(f"{head}xp {line}")):
            kept[mapping.start] = mapping
    return tuple(mapping for _, mapping in sorted(kept.items()))


def split_lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces, without empty ones; one at a time, as a list of all would be as large as the text again."""
    rest = ""
    for piece in pieces:
        text, start = rest + piece, 0
        while (end := text.find("\n", start)) >= 0:
            if end > start:
                yield text[start:end]
            start = end + 1
        rest = text[start:]
    if rest:
        yield rest


def _parse_line(line: str) -> Mapping:
    fields = line.split(None, 5)
    try:
        addresses, permissions, offset, device, inode = fields[:5]
        start, end = (int(part, 16) for part in addresses.split("-"))
        path = fields[5] if len(fields) > 5 else ""
        return Mapping(
            start=start,
            end=end,
            readable=permissions[0] == "r",
            writable=permissions[1] == "w",
            executable=permissions[2] == "x",
            offset=int(offset, 16),
            device=device,
            inode=int(inode),
            path=path.removesuffix(_DELETED).replace("\\012", "\n"),
            deleted=path.endswith(_DELETED),
        )
    except (ValueError, IndexError) as error:
        raise _not_a_line(line) from error


def _not_a_line(line: str) -> Malformed:
    return Malformed(f"not a line of maps: {line[:80]!r}")


def locate_modules(mappings: tuple[Mapping, ...], *, guest: bool = False) -> tuple[Module, ...]:
    """The distinct files that have an executable mapping, in order of address; each is worth one look, whatever maps it how often.

    ``guest``: those that have a mapping of their beginning, as the program has that an emulator runs.
    """
    files: dict[tuple[str, int, str], list[Mapping]] = {}
    for mapping in mappings:
        if mapping.inode:
            files.setdefault(mapping.file, []).append(mapping)
    modules = [group for group in files.values() if any(mapping.executable or (guest and not mapping.offset) for mapping in group)]
    return tuple(
        Module(device=group[0].device, inode=group[0].inode, path=group[0].path, deleted=group[0].deleted, mappings=tuple(group))
        for group in modules
    )


def locate_biases(elf: Elf, module: Module, *, guest: bool = False) -> tuple[int, ...]:
    """What is to be added to a linked address of this file to get the address in the process: once for each time it is loaded.

    A file that is only mapped to be read, as debuggers and profilers do, has no bias: each segment has to lie where the others say.
    ``guest``: an emulator maps code to be read, and may move all of the program's addresses.
    """
    biases: list[int] = []
    code = next((part for part in elf.segments if part.executable), None)
    if code is None:
        return ()
    for mapping in module.mappings:
        # Mappings are page-aligned, segments need not be: the byte of the file decides, whatever the page size is
        if (mapping.executable or guest) and mapping.offset <= code.offset < mapping.offset + mapping.end - mapping.start:
            bias = mapping.start - mapping.offset + code.offset - code.address
            if (bias == 0 or elf.position_independent or guest) and bias >= 0 and bias not in biases:
                biases.append(bias)
    return tuple(biases)


def locate_images(mappings: tuple[Mapping, ...], read_memory: ReadAt) -> tuple[int, ...]:
    """Where ELF headers stand in memory that no file backs, at most 64 places: what a packer unpacked.

    Worth asking where the executable itself says nothing, being packed: it has no section headers then. ``parse_image`` takes each place.
    """
    anonymous = [mapping.start for mapping in mappings if may_be_image(mapping)]
    return tuple(start for start in anonymous[:_MOST_IMAGES] if is_elf(read_memory(start, 4)))


def may_be_image(mapping: Mapping) -> bool:
    """Whether what was unpacked may begin here: memory without a file or a name that can be read."""
    return is_memory(mapping) and mapping.readable and not mapping.path.startswith("[")


def is_memory(mapping: Mapping) -> bool:
    """Whether no file on a disk is behind this: memory that is shared has an inode all the same, as that of UPX 5 (memfd_create(2))."""
    return mapping.inode == 0 or mapping.path.startswith(MEMORY_PATHS)


def is_unpacked_code(mapping: Mapping) -> bool:
    """Whether here is code that no file backs, nor the kernel: [vdso], [vsyscall]."""
    return mapping.executable and is_memory(mapping) and not mapping.path.startswith("[v")
