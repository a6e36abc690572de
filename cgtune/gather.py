"""The processes that a report is on: each is read in turn, and who could not be read is counted.

One loop for whoever looks once (api) and for whoever looks again and again (service/follow).
"""

from __future__ import annotations

from cgtune.errors import Absent, NoSuchProcess, Unreadable
from cgtune.model import Note
from cgtune.records import Record
from cgtune.snapshot import is_go, read_go_snapshot, read_snapshot, resting_others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Literal

    from cgtune.machineview import MachineView
    from cgtune.model import Kind, Process, Snapshot
    from cgtune.system.host import Host

#: The CPU time that each process may take of a look that nobody goes on with, and what all of them may take beyond that together: each a
#: tenth of what is left. The first look at a Go program takes 4 ms, at one of 60 MB 13, and 10 if modules have to be loaded for it.
_OWN_SECONDS = 0.03
_COMMON_SECONDS = 2.0
_SHARE = 0.1


class Gathered(Record):
    """What came of a list of pids. ``snapshots`` are in the order of the pids.

    ``unreadable`` processes are not in the report for any reason but being known as no Go programs, ``left_out`` ones are Go programs
    beyond those that there was room for. ``privilege`` is the first that was missing in a search; ``failed`` is what went wrong with the
    first process that could not be read for another reason, None: there is no such process. ``hidden``: processes that nobody can count.
    ``others``: how many of each kind a search passed over, as they hold no Go runtime; the kinds in the order of their counts.
    ``machinery`` are the node's own programs that a search left out.
    """

    snapshots: tuple[Snapshot, ...]
    unreadable: int
    left_out: int
    privilege: str | None
    failed: str | None = None
    hidden: Note | None = None
    others: tuple[tuple[Kind, int], ...] = ()
    machinery: tuple[Process, ...] = ()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a report says of the unreadable processes; none if there are none."""
        what = "they are Go programs" if self.unreadable > 1 else "it is a Go program"
        why = f"{self.unreadable} process{'es' * (self.unreadable > 1)} could not be looked into; whether {what} is not known"
        if self.failed is not None:
            why += f" ({self.failed})"
        kind: Literal["failed", "fact"] = "fact" if self.failed is None else "failed"
        counted = (Note(path="/proc", why=why, privilege=self.privilege, kind=kind),) if self.unreadable else ()
        return counted if self.hidden is None else (*counted, self.hidden)


def gather(
    view: MachineView,
    pids: Iterable[int],
    on_trouble: Callable[[int, Exception], None],
    *,
    go_only: bool,
    most: int | None = None,
    with_machinery: bool = False,
    deal: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Gathered:
    """Read these processes one after the other.

    ``go_only``: of a search, Go programs alone; a process that ends meanwhile is passed over, and one that permissions close is counted,
    for so it may be with each process of others. Whatever else goes wrong with a process, NoSuchProcess and faults of ours included, is
    handed to ``on_trouble`` with its pid, and counted: the others are read all the same, unless that raises. ``most``: read so many and
    count the rest. ``with_machinery``: a search takes the node's own programs as well. ``deal``: gives those that have to be looked at one
    by one, in what order it likes, or not at all; those that were no Go programs at the last look and have not run since need no look.
    """
    snapshots: list[Snapshot] = []
    machinery: list[Process] = []
    unreadable = left_out = 0
    privilege: str | None = None
    failed: str | None = None
    others: dict[Kind, int] = {}
    resting, awake = _set_apart(view, pids) if go_only and view.is_again else (frozenset(), pids)
    for pid in deal(awake):
        notes: list[Note] = []
        missing: str | None = None
        wrong: Exception | None = None
        try:
            if not go_only:
                snapshots.append(read_snapshot(view, pid))
            elif most is not None and len(snapshots) >= most:
                left_out += is_go(view, pid, with_machinery=with_machinery)
            elif (snapshot := read_go_snapshot(view, pid, notes, None if with_machinery else machinery)) is not None:
                snapshots.append(snapshot)
            else:
                missing = next((note.privilege for note in notes if note.privilege), None) if notes else None
                untold = next((note for note in notes if note.kind == "failed"), None) if notes else None
                if missing is None and untold is not None:
                    wrong = Unreadable(f"{untold.path}: {untold.why}")
                unreadable += missing is not None or untold is not None
                if missing is None and untold is None:
                    _count_kinds(view, (pid,), others)
        except NoSuchProcess as error:
            if not go_only:
                on_trouble(pid, error)
        except Exception as error:  # noqa: BLE001  # one process that cgtune cannot cope with must not hide the others
            unreadable += 1
            missing = error.privilege if go_only and isinstance(error, Unreadable) else None
            wrong = error if missing is None else None
        if wrong is not None:
            failed = failed or f"process {pid}: {wrong}"
            on_trouble(pid, wrong)
        privilege = privilege or missing
        view.host.forget(f"/proc/{pid}")
    _count_kinds(view, resting if most is None or len(snapshots) < most else (), others)
    return Gathered(
        snapshots=tuple(snapshots),
        unreadable=unreadable,
        left_out=left_out,
        privilege=privilege,
        failed=failed,
        hidden=view.hidden if go_only else None,
        others=tuple(sorted(others.items(), key=lambda pair: (pair[0] == "other", -pair[1], pair[0]))),
        machinery=tuple(machinery),
    )


def _set_apart(view: MachineView, pids: Iterable[int]) -> tuple[frozenset[int], list[int]]:
    """Returns (those that were no Go programs at the last look and have not run since, all others in their order)."""
    asked = [*pids]
    resting = resting_others(view, asked)
    return resting, [pid for pid in asked if pid not in resting]


def in_time(host: Host, pids: Iterable[int]) -> Iterator[int]:
    """The pids, each when the one before it was read, which may cost so much: whoever is dear takes no time from those who come later.

    Of a process that has had its share nothing more is read but who it is. A recording is read whatever it costs: it tells the same always.
    """
    if not host.is_live:
        yield from pids
        return
    left = _COMMON_SECONDS
    try:
        for pid in pids:
            host.allow(_OWN_SECONDS + left * _SHARE)
            yield pid
            left -= min(left, max(0.0, host.used_seconds() - _OWN_SECONDS))
    finally:
        host.allow(None)


def _count_kinds(view: MachineView, pids: Iterable[int], others: dict[Kind, int]) -> None:
    for kind in map(view.known.kinds.get, pids):
        if kind is not None:
            others[kind] = others.get(kind, 0) + 1


def list_pids(host: Host) -> list[int]:
    """The pids below the root, ascending; none without a /proc. Raises Unreadable: nobody knows then who is there.

    psutil lists the same, but its import costs two bare starts.
    """
    try:
        return sorted(int(name) for name in host.list_directory("/proc") if name.isascii() and name.isdigit())
    except Absent:
        return []


def list_pids_by_psutil(host: Host) -> list[int]:
    """The same by psutil: for a service, which starts once."""
    from cgtune.system.processes import psutil_pids

    return psutil_pids(host.root)
