"""Which platform a process runs on, how that was told, what it hides, and what it says of limits.

What is said is a witness of its own, and is never mixed with what is enforced. There is one exception: the limits of an ECS task are those
of a cgroup that its containers cannot see, so they are the last level of the chain, with the URL that says them.

Not covered: a platform whose variables a process has cleared from its environment; limits that hold for several processes of one job.
"""

from __future__ import annotations

from cgtune.errors import CgtuneError
from cgtune.system.reading import read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.machineview import MachineView
    from cgtune.model import Membership, Note, Platform, Snapshot

#: Each begins the names of one platform's variables; most processes have none of them, and nothing more is loaded then.
_PREFIXES = ("ECS_CONTAINER_METADATA_URI", "AWS_LAMBDA_", "NOMAD_", "K_SERVICE=", "CLOUD_RUN_", "GAE_", "SLURM_JOB_")
_PLACES = ("/nomad", "/slurm", "/ecs/", "/ecstasks", "/system.slice/slurm")
#: Words of the kernel's command line that gVisor, Kata and Firecracker put there.
_KERNEL_WORDS = ("gvisor", "kata-containers", "reboot=k")


def with_platforms(view: MachineView, snapshot: Snapshot, memberships: tuple[Membership, ...], notes: list[Note]) -> Snapshot:
    """The snapshot with the platforms of its process, and with the limits of an ECS task as the last level of its chains.

    What fails costs a note. Nothing is asked of an ECS task if all cgroups above can be seen: its own is among them.
    """
    host, pid = view.host, snapshot.process.pid
    try:
        text = host.read_kept(f"/proc/{pid}/environ")
    except CgtuneError:
        text = _environ_of_same_container(view, pid)
    entries = text.split("\0")
    machine = _read_machine(view)
    marked = [entry for entry in entries if entry.startswith(_PREFIXES)]
    placed = any(place in line.path for line in memberships for place in _PLACES)
    if not (marked or machine or placed or snapshot.container.id is not None):
        return snapshot
    from cgtune.platforms.table import Clues, tell_platforms

    variables: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if equals:
            variables.setdefault(name, value)
    platforms = tell_platforms(Clues(variables=variables, paths=tuple(line.path for line in memberships), container=snapshot.container))
    snapshot = snapshot.replace(platforms=(*platforms, *machine))
    is_hidden = snapshot.cpu_hidden_above or snapshot.memory_hidden_above or not snapshot.cpu_chain or not snapshot.memory_chain
    if is_hidden and any(platform.name == "Amazon ECS" for platform in platforms):
        from cgtune.platforms.ecs import with_task

        return with_task(view, snapshot, variables, notes)
    return snapshot


def _environ_of_same_container(view: MachineView, pid: int) -> str:
    """The reader's own environment, if a process whose environment is closed to it is in the very same cgroups; else nothing."""
    try:
        if view.self_pid is None or len({view.host.read_text(f"/proc/{one}/cgroup") for one in (pid, view.self_pid)}) > 1:
            return ""
        return view.host.read_text(f"/proc/{view.self_pid}/environ")
    except CgtuneError:
        return ""


def _read_machine(view: MachineView) -> tuple[Platform, ...]:
    """What the machine itself is, if its kernel's command line tells: read once for all processes."""
    if view.platforms is None:
        words = read_optional(view.host, "/proc/cmdline", str.split, []) or []
        view.platforms = ()
        if any(sign in word for word in words for sign in _KERNEL_WORDS):
            from cgtune.platforms.table import tell_machine

            view.platforms = tell_machine(view.host, words)
    return view.platforms
