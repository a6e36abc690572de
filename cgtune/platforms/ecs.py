"""Amazon ECS, on EC2 and Fargate: the task metadata endpoint, version 4, as a source beside the files.

The task's limits are those of a cgroup above the container's, which it cannot see: the agent gives the task a quota of Limits.CPU times
100 ms (amazon-ecs-agent, agent/api/task/task_linux.go: defaultCPUPeriod), and a memory limit. With ECS_ENABLE_TASK_CPU_MEM_LIMIT=false it
makes no cgroups for tasks, ignores their limits (the same file: initializeCgroupResourceSpec), and says them all the same. A container's
CPU units are its cpu.shares, and no cap; its memory limit stands in its own cgroup. Documented in the ECS developer guide, "task metadata
endpoint version 4".
"""

from __future__ import annotations

from cgtune.errors import CgtuneError, Malformed, Unanswered, Unreadable
from cgtune.model import Bandwidth, ByteLimit, CpuLevel, MemoryLevel, Note, Said
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cgtune.machineview import MachineView
    from cgtune.model import Snapshot

VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"

#: In the path of each container of a task that has a cgroup.
PLACES = ("/ecs/", "/ecstasks")

_NAME = "Amazon ECS"
_HIDES_NOTHING = "nothing: its cgroup is in none of a task, so the agent ignores the limits of tasks (ECS_ENABLE_TASK_CPU_MEM_LIMIT=false)"
_ADDRESS, _PATH = "169.254.170.2", "v4/"  # beside it the same server hands out the credentials of tasks
_PERIOD_US = 100_000
_MIB = 1 << 20
_MOST_CPUS, _MOST_MIB = 4096, 1 << 26  # 64 TiB
_ID_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_MOST_ID = 128
_MOST_WRONG = 16  # a task has ten containers; the variables of other processes may say anything


class Task(Record):
    """What the endpoint says: CPUs and bytes of the task, CPU units and bytes of the container; None: no limit. ``id`` is the task's."""

    id: str
    cpus: float | None
    memory_bytes: int | None
    container_units: float | None = None
    container_bytes: int | None = None


def with_task(view: MachineView, snapshot: Snapshot, url: str | None, notes: list[Note]) -> Snapshot:
    """The snapshot with the limits of its task; a note if they could not be had. ``url`` is what VARIABLE says, if it is there.

    A variable of another process may say anything: it is asked for at the one address that ECS documents, and nowhere else.
    """
    if url is None:
        return snapshot
    try:
        base = require_address(url, is_own=snapshot.process.is_self)
        if base not in view.tasks:
            view.tasks[base] = _read_task(view, base)
        task = view.tasks[base]
        if isinstance(task, CgtuneError):
            raise task
    except CgtuneError as error:
        why = f"{error}: whether the task has limits above its containers' is not known"
        notes.append(Note(path=f"/proc/{snapshot.process.pid}/environ", why=why, kind="hidden"))
        return snapshot
    return _with_levels(snapshot, task, f"{base}/task", base)


def require_address(url: str, *, is_own: bool) -> str:
    """The URL without a slash at its end, if it may be asked for. Raises Unreadable.

    One's own may lead to any link-local or loopback IPv4 address, another process's to the documented address and path alone.
    """
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    host, colon, port = place.partition(":")
    is_plain = url.isascii() and url.isprintable() and not set(" ?#@\\%") & set(url) and ".." not in path and len(url) <= 512
    numbers = host.split(".")
    is_address = len(numbers) == 4 and all(number.isdigit() and len(number) <= 3 and int(number) <= 255 for number in numbers)
    is_near = is_address and (numbers[:2] == ["169", "254"] or numbers[0] == "127")
    is_allowed = is_near if is_own else host == _ADDRESS and not colon and path.startswith(_PATH)
    is_port = not colon or (port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535)
    if scheme != "http" or not is_plain or not slash or not is_port or not is_allowed:
        raise Unreadable(f"{VARIABLE} names no address of ECS, which is http://{_ADDRESS}/v4/..., and nothing is asked elsewhere")
    return url.rstrip("/")


def _read_task(view: MachineView, base: str) -> Task | CgtuneError:
    """What the endpoint says. One that gave no answer in this look, or that many wrong ones, is asked no more."""
    place = base.split("/")[2]
    failed = [task for other, task in view.tasks.items() if other.split("/")[2] == place and isinstance(task, CgtuneError)]
    silent = next((task for task in failed if isinstance(task, Unanswered)), None)
    if silent is not None or len(failed) >= _MOST_WRONG:
        return silent or failed[0]
    try:
        task, container = view.host.read_metadata((f"{base}/task", base))
        return parse_task(task, container)
    except CgtuneError as error:
        return Unreadable(f"{base}/task: {error}") if isinstance(error, Malformed) else error


def parse_task(task: str, container: str = "{}") -> Task:
    """The answers of ``/task`` and of the container's own URL. Raises Malformed.

    Fields used of the first: TaskARN (its last part is the id) and Limits, with CPU in vCPUs and Memory in MiB, each left out if there is
    none; of the second: Limits with CPU in units of 1/1024 CPU and Memory in MiB, 0 if there is none.
    """
    whole, own = _object(task), _object(container)
    arn = whole.get("TaskARN")
    name = arn.rpartition("/")[2] if isinstance(arn, str) else ""
    if not name or len(name) > _MOST_ID or set(name) - _ID_LETTERS:
        raise Malformed("it names no task (TaskARN)")
    memory, own_memory = _number(whole, "Memory", _MOST_MIB), _number(own, "Memory", _MOST_MIB)
    return Task(
        id=name,
        cpus=_number(whole, "CPU", _MOST_CPUS),
        memory_bytes=None if memory is None else int(memory * _MIB),
        container_units=_number(own, "CPU", _MOST_CPUS * 1024),
        container_bytes=None if own_memory is None else int(own_memory * _MIB),
    )


def _object(text: str) -> dict[str, object]:
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is no JSON") from error
    if not isinstance(found, dict):
        raise Malformed("it is no JSON object")
    return found


def _number(of: Mapping[str, object], name: str, most: int) -> float | None:
    """One of its limits; None if there is none. Raises Malformed for what is no number of that kind."""
    limits = of.get("Limits")
    if limits is None:
        return None
    if not isinstance(limits, dict):
        raise Malformed("Limits is no JSON object")
    value = limits.get(name)
    if value is None or value == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.001 <= value <= most:
        raise Malformed(f"Limits.{name} is {value!r:.40}, which is no limit")
    return float(value)


def _with_levels(snapshot: Snapshot, task: Task, url: str, base: str) -> Snapshot:
    said: list[Said] = []
    cpu, memory = snapshot.cpu_chain, snapshot.memory_chain
    path = f"ECS task {task.id}"
    is_cap = not _lies_elsewhere(snapshot)
    hides = "" if is_cap else _HIDES_NOTHING
    if task.cpus is not None:
        said.append(Said(resource="cpu", of="task", value=task.cpus, unit="cores", source=url, is_cap=is_cap))
        quota = Bandwidth(quota_us=round(task.cpus * _PERIOD_US), period_us=_PERIOD_US)
        cpu = (*cpu, CpuLevel(path=path, directory=url, version=cpu[0].version if cpu else 2, said_by=_NAME, bandwidth=quota))
    if task.memory_bytes is not None:
        said.append(Said(resource="memory", of="task", value=task.memory_bytes, unit="bytes", source=url, is_cap=is_cap))
        limit = ByteLimit(limit_bytes=task.memory_bytes)
        memory = (*memory, MemoryLevel(path=path, directory=url, version=memory[0].version if memory else 2, said_by=_NAME, limit=limit))
    if task.container_units is not None:
        said.append(Said(resource="cpu", of="container", value=task.container_units, unit="units", source=base))
    if task.container_bytes is not None:
        said.append(Said(resource="memory", of="container", value=task.container_bytes, unit="bytes", source=base))
    platforms = tuple(
        platform.replace(said=(*platform.said, *said), hides=hides or platform.hides) if platform.name == _NAME else platform
        for platform in snapshot.platforms
    )
    return snapshot.replace(platforms=platforms, **({"cpu_chain": cpu, "memory_chain": memory} if is_cap else {}))


def _lies_elsewhere(snapshot: Snapshot) -> bool:
    """Whether its cgroup is that of no task. In a cgroup namespace, its own or another, nobody can tell: then the agent is believed."""
    top = snapshot.cpu_hidden_above or snapshot.memory_hidden_above or "/"
    return top != "/" and not top.startswith("/..") and not any(place in top for place in PLACES)
