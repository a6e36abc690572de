"""Which cgroups of the machine use its CPUs, as far as they can be seen: read twice, they name the neighbours of a process.

Not covered: what lies outside of the mount, as the neighbours of a container with a cgroup namespace of its own do; and cgroups beyond the
first 500, upper levels first.
"""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.errors import CgtuneError
from cgtune.model import Busiest
from cgtune.system.reading import read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cgtune.model import Mount
    from cgtune.system.host import Host

    #: By a cgroup's path: the seconds of CPU that it and those below it have used, and when that was read.
    Usages = Mapping[str, tuple[float, float]]

_MOST_CGROUPS = 500
_MOST_SHOWN = 5
_LEAST_CORES = 0.01


def read_usages(host: Host, mounts: Sequence[Mount]) -> Usages:
    """What the cgroups below the reader's own ``mounts`` have used; empty if none can be seen, or without a clock."""
    for mount in mounts:
        if mount.filesystem == "cgroup" and "cpuacct" in mount.super_options:
            return _walk(host, mount.mount_point, version=1)
    for mount in mounts:
        if mount.filesystem == "cgroup2":
            return _walk(host, mount.mount_point, version=2)
    return {}


def _walk(host: Host, top: str, *, version: int) -> Usages:
    found: dict[str, tuple[float, float]] = {}
    level, visited = ["/"], 0
    while level:
        below: list[str] = []
        for path in level:
            visited += 1
            if visited > _MOST_CGROUPS:
                return found
            directory = f"{top}{path}".rstrip("/")
            try:
                below += [f"{path.rstrip('/')}/{name}" for name in host.list_folders(directory)]
            except CgtuneError:
                continue  # gone meanwhile, or closed to us
            file, parse = ("cpu.stat", kernel.parse_cpu_usage) if version == 2 else ("cpuacct.usage", kernel.parse_nanoseconds)
            seconds, clock = read_optional(host, f"{directory}/{file}", parse, []), host.clock_seconds()
            if seconds is not None and clock is not None:
                found[path] = seconds, clock
        level = below
    return found


def find_busiest(before: Usages, after: Usages) -> Busiest:
    """The cgroups whose own processes used most between two readings: at most five.

    What a cgroup counts holds what is below it: that is taken off, so that each use is told of one cgroup. The root is left out, as what
    is its own cannot be told from what ended.
    """
    used = {
        path: (seconds - before[path][0]) / (clock - before[path][1])
        for path, (seconds, clock) in after.items()
        if path in before and clock > before[path][1] and seconds >= before[path][0]
    }
    own = dict(used)
    for path, cores in used.items():
        above = path.rpartition("/")[0] or "/"
        if path != "/" and above in own:
            own[above] -= cores
    busiest = sorted(
        ((path, round(cores, 3)) for path, cores in own.items() if path != "/" and cores >= _LEAST_CORES), key=lambda one: -one[1]
    )
    spans = (after[path][1] - clock for path, (_, clock) in before.items() if path in after)
    return Busiest(cgroups=tuple(busiest[:_MOST_SHOWN]), seconds=round(max(spans, default=0.0), 3))
