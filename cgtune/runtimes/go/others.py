"""Which processes hold no Go runtime, told without taking their mappings apart: most of a node's do, and each look meets all of them.

Three short ways, each of them proof. A process that runs the same program with the same libraries as one that was looked at through
and through maps the same files of code, each of them the same by its identity. A process that took no page fault since it was told, and
has as much address space as then, cannot have run anything new: the first instruction of new code is a fault. And if the only thread of a
process slept then, and has had no turn on a CPU since, nothing of it has run at all: its line in schedstat tells, which is cheaper.
Not covered: a process that shares its memory with another one (clone(2) with CLONE_VM and without CLONE_THREAD): what that one maps into it
is seen when it runs itself.
"""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.errors import CgtuneError
from cgtune.records import Record
from cgtune.runtimes.go.program.mappings import MOST_TEXT_BYTES, parse_code
from cgtune.runtimes.go.programs import Mapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from cgtune.model import Kind
    from cgtune.runtimes.go.programs import Known
    from cgtune.system.host import Host

_UNASKED = 0  # in place of turns: ask for them at the next look, before the stat line
_MOST_PROGRAMS = 256  # of some KB each


class OtherProgram(Record):
    """A program that is no Go program, with its libraries: of each file the place of its first line of code, whether it is the executable,
    its identity, and whether the numbers in that line are those of Host.hold.
    """

    kind: Kind
    files: tuple[tuple[int, bool, tuple[int, ...], bool], ...]


def tell_other(host: Host, pid: int, known: Known, *, is_again: bool) -> bool:
    """Whether process ``pid`` is told to hold no Go runtime; what it runs goes to ``known``. False: it has to be looked at.

    ``is_again``: whether it was looked at before, by whoever looks again and again.
    """
    try:
        return _tell(host, pid, known, is_again=is_again)
    except CgtuneError:
        return False


def resting_others(host: Host, pids: Iterable[int], known: Known) -> frozenset[int]:
    """Those of these processes that were told to hold no Go runtime and have not run since: what tell_other asks first, for the many."""
    turns = known.other_turns
    asked = [pid for pid in pids if turns.get(pid, _UNASKED) != _UNASKED]
    answers = host.read_each(f"/proc/{pid}/schedstat" for pid in asked)
    return frozenset(pid for pid, answer in zip(asked, answers, strict=True) if answer is not None and turns[pid] == hash(answer))


def _tell(host: Host, pid: int, known: Known, *, is_again: bool) -> bool:
    counters = None
    if is_again and host.is_live:
        before = known.other_stats.pop(pid, None)
        turns = _read_turns(host, pid) if known.other_turns.pop(pid, None) is not None else None  # before the stat line
        text = host.read_text(f"/proc/{pid}/stat")
        is_same, is_kernel_thread = before == hash(text), False
        if not is_same:
            is_kernel_thread, counters = kernel.parse_stat_memory(text)
        if is_same or is_kernel_thread or (counters is not None and known.quiet.get(pid) == counters and known.is_other(pid)):
            known.other_stats[pid] = hash(text)
            if is_same and kernel.is_one_thread_asleep(text):
                known.other_turns[pid] = turns or _UNASKED
            return True
    executable = None
    if host.is_live and not is_again:
        executable = host.read_file_identity(f"/proc/{pid}/exe")
        if known.files.get(executable) is not None:
            return False
    text = host.read_bytes(f"/proc/{pid}/maps", cap_bytes=MOST_TEXT_BYTES).decode("utf-8", "surrogateescape")
    if not is_again and not text:
        return False
    if not text or known.is_other(pid, text) or (host.is_live and _tell_by_files(host, pid, text, known, executable)):
        if counters is not None:  # read before the mappings: whatever comes later shows in it
            known.quiet[pid] = counters
        return True
    return False


def _read_turns(host: Host, pid: int) -> int | None:
    """What is equal as long as the first thread of a process has no turn on a CPU, to the nanosecond; None if the kernel does not count."""
    (answer,) = host.read_each((f"/proc/{pid}/schedstat",))
    return None if answer is None or answer.startswith(b"0 0 0") else hash(answer)


def _tell_by_files(host: Host, pid: int, text: str, known: Known, executable: Hashable | None) -> bool:
    code = parse_code(text)
    program = None if code is None else known.others.get(code[0])
    if code is None or program is None:
        return False
    for at, is_executable, identity, has_numbers in program.files:
        if is_executable and executable is not None:
            found = executable
        elif has_numbers and host.is_held(identity):
            continue  # the mapping has its device and inode number, which are no other file's as long as it is open
        else:
            found = host.read_file_identity(_place(pid, code[1][at], is_executable=is_executable))
        if found != identity:
            return False
    known.kinds[pid] = program.kind
    known.processes[pid] = Mapped(maps_hash=hash(text), files=(), runtimes=())
    return True


def learn_other(host: Host, pid: int, executable: str, text: str, known: Known, kind: Kind) -> None:
    """Keep what a process runs that was found to hold no Go runtime, if each of its files was looked into and is none of Go's."""
    code = parse_code(text)
    if code is None or not host.is_live:
        return
    files: dict[str, tuple[int, bool, tuple[int, ...], bool]] = {}
    for at, line in enumerate(code[0]):
        file = line.partition(" ")[2]
        is_executable = line.split(None, 3)[3] == executable
        try:
            identity = host.read_file_identity(_place(pid, code[1][at], is_executable=is_executable))
        except CgtuneError:
            return  # the next one is looked at as well
        if identity not in known.files or known.files[identity] is not None:
            return
        if file not in files:
            has_numbers = not is_executable and host.hold(_place(pid, code[1][at], is_executable=False), *line.split(" ", 3)[1:3])
            files[file] = at, is_executable, identity, has_numbers
    if not any(is_executable for _, is_executable, _, _ in files.values()):
        return
    known.others[code[0]] = OtherProgram(kind=kind, files=tuple(files.values()))
    while len(known.others) > _MOST_PROGRAMS:
        del known.others[next(iter(known.others))]


def _place(pid: int, head: str, *, is_executable: bool) -> str:
    return f"/proc/{pid}/exe" if is_executable else f"/proc/{pid}/map_files/{head.partition(' ')[0]}"
