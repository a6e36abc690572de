"""Memberships × mounts to directories, leaf to root.

The kernel prints a membership (/proc/PID/cgroup) and a mount's root (/proc/PID/mountinfo) relative to the READER's cgroup namespace,
each with as many leading `/..` as the cgroup lies outside it (cgroup_namespaces(7)). Two such paths, read by one reader, can be
compared with each other, and with nothing else.
"""

from __future__ import annotations

from sys import intern

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import Membership, Mount


#: Super options of v1 mounts that are controllers; a mount may also have none, and a name= alone.
_V1_CONTROLLERS = frozenset(
    {
        *("cpu", "cpuacct", "cpuset", "memory", "blkio", "devices", "freezer", "pids", "net_cls", "net_prio", "perf_event"),
        *("hugetlb", "rdma", "misc"),
    }
)

#: PATH_MAX: no longer path can be looked up in one step.
_LONGEST_PATH = 4096


#: A chain of so many cgroups is told whole, if their paths come to at most so many characters: a real one has up to 12 with some 3,000.
_MOST_LEVELS = 32
_MOST_PATHS = 32 << 10
_KEPT_LEVELS = 3  # of a longer one, at each end: each costs several files, and its path up to eight times in a report


class Place(Record):
    """One cgroup: ``path`` as the reader's namespace spells it, ``directory`` where its files lie."""

    path: str
    directory: str


class Gap(Record):
    """A cgroup below ``mount`` whose path cannot be spelled, because it passes through parents whose names the reader cannot see.

    The reader's namespace root lies ``depth`` levels below the mount's root. With its path there, ``kept`` levels of that path
    followed by ``rest`` lead to the cgroup.
    """

    mount: Mount
    depth: int
    kept: int
    rest: tuple[str, ...]


def locate_mounts(mounts: tuple[Mount, ...], prefix: str = "") -> tuple[Mount, ...]:
    """The mounts that can be reached below ``prefix``, with the prefix taken off their mount points.

    The kernel lists all mounts, those as well that another one covers: laid on the same mount point, or over a folder above it. What
    can be reached is what a walk along the mount point ends in. A container may have a hundred thousand mounts: no loop in a loop.
    """
    known = {mount.mount_id for mount in mounts}
    reached = _reached({(_parent(mount, known), mount.mount_point): mount for mount in mounts})
    return tuple(
        mount.replace(mount_point=mount.mount_point[len(prefix) :] or "/")
        for mount in mounts
        if (mount.mount_point + "/").startswith(prefix + "/") and reached.get(mount.mount_point) is mount
    )


def _parent(mount: Mount, known: set[int]) -> int | None:
    # The first mount of a process's view lies in one outside of it; the very first of the machine is its own parent.
    return mount.parent_id if mount.parent_id in known and mount.parent_id != mount.mount_id else None


def _reached(table: dict[tuple[int | None, str], Mount]) -> dict[str, Mount | None]:
    """By mount point the mount that a look-up of it ends in, crossing on the way into whatever is mounted at each step.

    A step where nothing is mounted changes nothing. So each mount point goes on from the nearest one above it, which stands before it in
    this order; and each mount is crossed once, which ends loops as well: kernels print none, a recording might.
    """
    reached: dict[str, Mount | None] = {}
    above: list[tuple[str, Mount | None]] = []
    points = {point for _, point in table if len(point) <= _LONGEST_PATH}
    for point in sorted(points, key=lambda point: point.rstrip("/").replace("/", "\0")):
        while above and not point.startswith(above[-1][0]):
            above.pop()
        current = above[-1][1] if above else None
        while (crossed := table.pop((None if current is None else current.mount_id, point), None)) is not None:
            current = crossed
        reached[point] = current
        above.append((point.rstrip("/") + "/", current))
    return reached


def locate_membership(memberships: tuple[Membership, ...], controller: str) -> Membership | None:
    """The membership in the hierarchy that holds the controller: the v1 one that lists it, else the v2 one; None where neither is."""
    for membership in memberships:
        if controller in membership.controllers:
            return membership
    return next((membership for membership in memberships if membership.hierarchy_id == 0), None)


def locate_chain(membership: Membership, mount: Mount) -> tuple[Place, ...] | Gap | None:
    """The cgroups from the membership's own up to the mount's root; a Gap where parents' names are missing; None: not below this mount."""
    ups, rest = _split(membership.path)
    mount_ups, mount_rest = _split(mount.root)
    if mount_ups > ups:
        if mount_rest:
            return None
        return Gap(mount=mount, depth=mount_ups, kept=mount_ups - ups, rest=rest)
    if mount_ups < ups or rest[: len(mount_rest)] != mount_rest:
        return None
    # Below a mount that shows a whole hierarchy, or as much as is above the reader, paths are spelled from its root.
    base = mount.root if mount_rest else "/"
    return _places(base, mount.mount_point, rest[len(mount_rest) :])


def locate_in_gap(gap: Gap, namespace_root: str) -> tuple[Place, ...]:
    """The chain across a gap, given the directory of the reader's namespace root below the same mount."""
    top = gap.mount.mount_point.rstrip("/")
    names = tuple(name for name in namespace_root[len(top) :].split("/") if name)
    return _places("/", gap.mount.mount_point, names[: gap.kept] + gap.rest)


def locate_hierarchy(membership: Membership, mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """The mounts of the hierarchy that the membership is in: by type for v2, by the controllers or the name for v1."""
    if membership.hierarchy_id == 0:
        return tuple(mount for mount in mounts if mount.filesystem == "cgroup2")
    wanted = set(membership.controllers)
    return tuple(mount for mount in mounts if mount.filesystem == "cgroup" and wanted & set(mount.super_options))


def locate_mode(mounts: tuple[Mount, ...]) -> str:
    """v2, v1, hybrid or none, from what is mounted: a v1 mount counts where it holds a controller, not for a name alone."""
    v1 = any(mount.filesystem == "cgroup" and _V1_CONTROLLERS & set(mount.super_options) for mount in mounts)
    v2 = any(mount.filesystem == "cgroup2" for mount in mounts)
    return "hybrid" if v1 and v2 else "v1" if v1 else "v2" if v2 else "none"


def locate_namespace_root(membership: Membership, mounts: tuple[Mount, ...], *, initial: bool = False) -> tuple[str, bool]:
    """The cgroup that a process in another cgroup namespace calls /, spelled as the reader spells it, from the process's own mounts.

    A hierarchy mounted inside a cgroup namespace has the namespace's root for its root, so the deepest mount root above the process
    is taken. Where there is none but the reader's own top, the mounts are from outside: the process's own cgroup is assumed (True), which
    is where a namespace begins when it is made. ``initial``: it is the machine's first namespace, which begins at the very top.
    """
    depth = {root: len(rest) - ups for root, (ups, rest) in ((mount.root, _split(mount.root)) for mount in mounts)}
    above = [mount.root for mount in locate_hierarchy(membership, mounts) if locate_chain(membership, mount) is not None]
    if initial:
        return min(above, key=lambda root: depth[root], default="/"), False
    deepest = max(above, key=lambda root: depth[root], default="/")
    if depth.get(deepest, 0) > 0 or (deepest != "/" and _split(deepest)[1]):
        return deepest, False
    return membership.path, _split(membership.path) != _split(deepest)


def rebase_path(path: str, namespace_root: str) -> str:
    """A cgroup path as a reader whose namespace begins at ``namespace_root`` sees it; both as one other reader spells them."""
    ups, rest = _split(path)
    root_ups, root_rest = _split(namespace_root)
    if ups > root_ups:
        shared, climb = 0, ups - root_ups + len(root_rest)
    elif root_ups > ups:
        # The path passes through parents of the namespace's root whose names the reader cannot see: it lies beside or below them.
        return "/" + "/".join(rest)
    else:
        shared = 0
        while shared < min(len(rest), len(root_rest)) and rest[shared] == root_rest[shared]:
            shared += 1
        climb = len(root_rest) - shared
    return "/" + "/".join(("..",) * climb + rest[shared:])


def count_hidden(path: str, namespace_root: str) -> int:
    """How many names rebase_path leaves out at the head of the path: of parents that the reader cannot see."""
    return max(0, _split(namespace_root)[0] - _split(path)[0])


def _split(path: str) -> tuple[int, tuple[str, ...]]:
    """How many leading `/..` a path has, and the names after them."""
    names = [name for name in path.split("/") if name]
    ups = 0
    while ups < len(names) and names[ups] == "..":
        ups += 1
    return ups, tuple(names[ups:])


def _places(base: str, mount_point: str, names: tuple[str, ...]) -> tuple[Place, ...]:
    """The cgroups from the leaf up; of more than can be told the lowest and the highest."""
    counts = range(len(names), -1, -1)
    is_long = len(names) >= _MOST_LEVELS or sum(len(name) * (place + 1) for place, name in enumerate(reversed(names))) > _MOST_PATHS
    cut = _KEPT_LEVELS if is_long and len(counts) > 2 * _KEPT_LEVELS else len(counts)
    told = (*counts[:cut], *counts[max(cut, len(counts) - _KEPT_LEVELS) :])
    return tuple(
        Place(
            # Interned: each process of a cgroup has its path, and so has each look of a service
            path=intern("/".join((base.rstrip("/"), *names[:count])) or "/"),
            directory=intern("/".join((mount_point.rstrip("/"), *names[:count])) or "/"),
        )
        for count in told
    )


def locate_left_out(chain: tuple[Place, ...]) -> Iterator[tuple[int, Place]]:
    """The cgroups of a chain that were too many to be told, from the highest down; each with the index in the chain that it would have."""
    for index in range(1, len(chain)):
        lower, upper = chain[index - 1], chain[index]
        top = upper.directory.rstrip("/")
        names = [name for name in lower.directory[len(top) :].split("/") if name][:-1]
        path, directory = upper.path.rstrip("/"), top
        for name in names:
            path, directory = f"{path}/{name}", f"{directory}/{name}"
            yield index, Place(path=path, directory=directory)
