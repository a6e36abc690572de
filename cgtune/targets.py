"""Which processes are meant: by pid, container, pod, namespace or command, as people name them.

Known are the names that a process itself shows: the id of its container, but not the name that Docker or Podman gave to that; pods by
their UID, and by name and namespace if the kubelet's files in them can be read.
"""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.errors import CgtuneError, NoSuchProcess, UsageError
from cgtune.gather import list_pids
from cgtune.machinery import is_machinery
from cgtune.model import Container, is_pid
from cgtune.records import Record
from cgtune.snapshot import read_container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.machineview import MachineView
    from cgtune.model import Whom
    from cgtune.system.host import Host

_MOST_COMMAND = 15  # TASK_COMM_LEN less its end: the kernel cuts a process's name to it
_LEAST_ID, _LEAST_UID = 4, 8


class Names(Record):
    """What one process is called."""

    pid: int
    command: str
    executable: str | None
    container: Container = Container()

    @property
    def is_machinery(self) -> bool:
        """Whether it is the node's own."""
        return is_machinery(self.executable, self.command)

    def fits(self, kind: str, word: str) -> bool:
        """Whether a word of this kind means this process."""
        if kind == "target":
            return (is_pid(word) and int(word) == self.pid) or any(self.fits(one, word) for one in ("container", "pod", "command"))
        container = self.container
        if kind == "container":
            begins = len(word) >= _LEAST_ID and container.id is not None and container.id.startswith(word)
            return begins or (container.name is not None and word == container.name)
        if kind == "pod":
            begins = len(word) >= _LEAST_UID and container.pod_uid is not None and container.pod_uid.startswith(word)
            return begins or word == container.pod_name
        if kind == "namespace":
            return word == container.pod_namespace
        file = None if self.executable is None else self.executable.removesuffix(" (deleted)").rpartition("/")[2]
        return word in (self.command, file) or (file is None and len(word) > _MOST_COMMAND and word[:_MOST_COMMAND] == self.command)


def find_pids(view: MachineView, whom: Whom, *, machinery: bool = False) -> tuple[int, ...]:
    """The processes that are meant, by pid, cgtune itself not among them; the node's own machinery only if it is named by its command, or
    with ``machinery``. Raises NoSuchProcess, which names what means none, and UsageError for an empty word.
    """
    if blank := next((kind for kind, word in whom.words if not word.strip()), None):
        what = "a target" if blank == "target" else f"--{blank}"
        raise UsageError(f"{what} is empty and means nobody (perhaps a variable of the shell is unset); leave it out, or name one")
    met: set[tuple[str, str]] = set()
    found, nameless, kinds = [], 0, {kind for kind, _ in whom.words}
    for names in list_names(view, with_containers=kinds != {"command"}):
        fitting = [pair for pair in whom.words if names.fits(*pair)]
        nameless += bool(names.container.pod_uid) and names.container.pod_name is None
        if {kind for kind, _ in fitting} != kinds:
            continue
        if names.is_machinery and not machinery and not any(names.fits("command", word) for _, word in fitting):
            continue
        met.update(fitting)
        found.append(names.pid)
    missing = [f"{'' if kind == 'target' else f'{kind} '}{word}" for kind, word in whom.words if (kind, word) not in met]
    if missing:
        raise NoSuchProcess(_say_none(missing, nameless))
    return tuple(found)


def list_names(view: MachineView, *, with_containers: bool) -> Iterator[Names]:
    """What each process but cgtune itself is called, as far as it can be read; kernel threads are none of it."""
    host = view.host
    for pid in list_pids(host):
        if pid == view.self_pid:
            continue
        try:
            stat = kernel.parse_stat(host.read_text(f"/proc/{pid}/stat"))
            container = read_container(view, pid) if with_containers and not stat.is_kernel_thread else Container()
        except CgtuneError:
            continue  # it has ended, or is closed even for its name
        finally:
            host.forget(f"/proc/{pid}")
        if not stat.is_kernel_thread:
            yield Names(pid=pid, command=stat.command, executable=_read_executable(host, pid), container=container)


def _read_executable(host: Host, pid: int) -> str | None:
    try:
        return host.read_link(f"/proc/{pid}/exe")
    except CgtuneError:
        return None


def _say_none(missing: list[str], nameless: int) -> str:
    what = f"no process that can be seen is meant by {', '.join(missing)}"
    if nameless:
        what += f" (of {nameless} process{'es' * (nameless > 1)} in pods the pod's name cannot be read: try its UID)"
    return f"{what}; `cgtune ps` lists Go programs with their containers, and a container is known by its id"
