"""The route in a few lines: what ``import cgtune`` offers."""

from __future__ import annotations

from cgtune import __version__
from cgtune.errors import NoSuchProcess, UsageError
from cgtune.host import Host, timestamp
from cgtune.limits import enforce
from cgtune.model import ProcessReport, Report
from cgtune.snapshot import MachineView, read_snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def inspect(pids: Sequence[int] = (), *, root: str = "/", self_only: bool = False) -> Report:
    """The report on the processes ``pids``, in the order given; without any, on this container (cgtune's own process stands for it).

    ``root`` is the folder that holds proc/ and sys/: this machine's ``/``, another's mounted somewhere, or a recording.
    Raises UsageError (an impossible root or target), NoSuchProcess, Unreadable or Malformed.
    """
    with Host(root) as host:
        return inspect_host(host, pids, self_only=self_only)


def inspect_host(host: Host, pids: Sequence[int] = (), *, self_only: bool = False) -> Report:
    """As inspect, on a host that is already open."""
    if self_only and pids:
        raise UsageError("--self and --pid exclude each other: --self reports this container only, --pid just these processes")
    view = MachineView(host)
    if not pids:
        if view.self_pid is None:
            raise NoSuchProcess("/proc/self below the root names no process; name one with --pid")
        pids = (view.self_pid,)
    processes = []
    for pid in dict.fromkeys(pids):
        snapshot = read_snapshot(view, pid)
        processes.append(ProcessReport(snapshot=snapshot, limits=enforce(snapshot)))
    return Report(version=__version__, time=timestamp(host.time_seconds()), machine=view.machine, processes=tuple(processes))


def snapshot(out: str, pids: Sequence[int] = (), *, root: str = "/", self_only: bool = False) -> None:
    """Capture all that inspect reads for these processes into ``out``, a folder or a .tar.gz; inspect with ``root=out`` replays it.

    Raises UsageError (``out`` exists), Unwritable, and what inspect raises; nothing is left half-written.
    """
    from cgtune.capture import RecordingHost

    with RecordingHost(root) as host:
        inspect_host(host, pids, self_only=self_only)
        host.replace_recording(out)
