"""/proc/self/cgroup and mountinfo as a process in another cgroup namespace reads them, from how they read from ours."""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.locate import count_hidden, locate_membership, locate_namespace_root, rebase_path
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Membership, Mount

#: The link of the namespace that the machine starts with (PROC_CGROUP_INIT_INO, include/linux/proc_ns.h).
INITIAL_NAMESPACE = "cgroup:[4026531835]"


class OwnTexts(Record):
    """The two texts of one process. ``assumed``: its own CPU cgroup, taken for the root of its namespace because that cannot be seen.

    ``hidden``: so many names are missing at the head of the path of its CPU cgroup, because the reader's namespace hides them.
    """

    cgroup: str
    mountinfo: str
    assumed: tuple[str, ...] = ()
    hidden: int = 0


def rebase_texts(cgroup: str, mountinfo: str, *, initial: bool) -> OwnTexts:
    """The texts as the process itself reads them. ``initial``: it is in the machine's first namespace. Raises Malformed."""
    memberships = kernel.parse_cgroup(cgroup)
    mounts = kernel.parse_mountinfo(mountinfo)
    cpu = locate_membership(memberships, "cpu")
    roots, assumed = {}, []
    for membership in memberships:
        root, is_assumed = locate_namespace_root(membership, mounts, initial=initial)
        roots[_hierarchy(membership)] = root
        if is_assumed and membership is cpu:  # Go looks at no other
            assumed.append(membership.path)
    return OwnTexts(
        cgroup=_rebased_cgroup(cgroup, memberships, roots),
        mountinfo=_rebased_mountinfo(mountinfo, mounts, roots),
        assumed=tuple(assumed),
        hidden=0 if cpu is None else count_hidden(cpu.path, roots[_hierarchy(cpu)]),
    )


def _hierarchy(membership: Membership) -> str:
    return ",".join(sorted(membership.controllers)) if membership.hierarchy_id else "v2"


def _root_of(mount: Mount, roots: dict[str, str]) -> str | None:
    if mount.filesystem == "cgroup2":
        return roots.get("v2")
    if mount.filesystem == "cgroup":
        return next((root for name, root in roots.items() if name != "v2" and set(name.split(",")) & set(mount.super_options)), None)
    return None


def _rebased_cgroup(text: str, memberships: tuple[Membership, ...], roots: dict[str, str]) -> str:
    lines = []
    for line, membership in zip((line for line in text.split("\n") if line), memberships, strict=True):
        identifier, controllers, _ = line.split(":", 2)
        lines.append(f"{identifier}:{controllers}:{rebase_path(membership.path, roots[_hierarchy(membership)])}\n")
    return "".join(lines)


def _rebased_mountinfo(text: str, mounts: tuple[Mount, ...], roots: dict[str, str]) -> str:
    lines = []
    for line, mount in zip((line for line in text.split("\n") if line), mounts, strict=True):
        root = _root_of(mount, roots)
        fields = line.split(" ", 4)
        if root is not None:
            fields[3] = kernel.escape_octal(rebase_path(mount.root, root))
        lines.append(" ".join(fields) + "\n")
    return "".join(lines)
