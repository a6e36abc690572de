"""Which platform a process runs on, how that was told, what it hides, and what it says of limits.

What is said is a witness of its own, and is never mixed with what is enforced. There is one exception: the limits of an ECS task are those
of a cgroup that its containers cannot see, so they are the last level of the chain, with the URL that says them.

Not covered: a platform whose variables a process has cleared from its environment; limits that hold for several processes of one job.
"""

from __future__ import annotations

from cgtune.platforms.ecs import VARIABLE, with_task
from cgtune.platforms.table import Clues, tell_platforms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.machineview import MachineView
    from cgtune.model import Note, Snapshot


def with_platforms(
    view: MachineView, snapshot: Snapshot, entries: tuple[str, ...], paths: tuple[str, ...], writable: str, notes: list[Note]
) -> Snapshot:
    """The snapshot with the platforms of its process, and with the limits of an ECS task as the last level of its chains.

    ``entries`` are those of its environment, ``paths`` those of its cgroups, ``writable`` is where it may make cgroups, "" if nowhere.
    What fails costs a note. Nothing is asked of an ECS task if all cgroups above can be seen: its own is among them.
    """
    split = (entry.partition("=") for entry in entries)
    variables = tuple((name, value) for name, equals, value in split if equals)
    is_below = snapshot.cpu_hidden_above == "/" and snapshot.cpu_chain[0].path != "/"
    clues = Clues(variables=variables, paths=paths, writable=writable, below=snapshot.cpu_chain[0].path if is_below else "")
    platforms = tell_platforms(clues)
    snapshot = snapshot.replace(platforms=(*platforms, *snapshot.platforms))
    is_hidden = snapshot.cpu_hidden_above or snapshot.memory_hidden_above or not snapshot.cpu_chain or not snapshot.memory_chain
    return with_task(view, snapshot, clues.value(VARIABLE), notes) if is_hidden else snapshot
