"""Finds the chain of a process for each controller: by whose mounts, and across parents whose names are hidden.

Two views are tried. *Ours* (the mounts of the process that reads) reaches the ancestors above a container; *theirs* (the target's own
mounts, through /proc/PID/root) reaches what is mounted only there. A chain is taken from the view that shows most of it.
"""

from __future__ import annotations

from cgtune.cgroups import kernel
from cgtune.cgroups.locate import Gap, locate_chain, locate_hierarchy, locate_in_gap, locate_left_out, locate_membership, locate_mounts
from cgtune.errors import Absent, CgtuneError
from cgtune.model import Note
from cgtune.records import Record
from cgtune.system.reading import exists, note_on, read_optional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.cgroups.locate import Place
    from cgtune.model import Membership, Mount
    from cgtune.system.host import Host

#: One hierarchy is mounted a few times at the most; a container that mounts it by the thousand gets no more of our time.
_MOST_MOUNTS = 64


#: Characters of mount tables that are kept with what they say, which takes ten times as much: those of some 300 pods, 6 KB each.
_MOST_KEPT_TEXTS = 2 << 20

#: PATH_MAX less its NUL: proc_cgroup_show (kernel/cgroup/cgroup.c) prints no more of a path, and says nothing of it (Linux 6.1, 6.18).
_CUT_PATH_BYTES = 4095


class Limiting(Record):
    """Of the cgroups between the lowest and the highest of a chain, ``count`` in all, those with the tightest limits, in the chain's order,
    each with the index in the chain that it would have.
    """

    count: int
    places: tuple[tuple[int, Place], ...]


class Ours:
    """The view of the process that reads: its mounts, and where its cgroup namespace begins, searched once for all processes of a run."""

    def __init__(self, host: Host, self_pid: int | None, mounts: tuple[Mount, ...], before: Ours | None = None) -> None:
        """``mounts`` are those of the reader ``self_pid``, or of whoever stands in for it where that is None.

        ``before`` is this reader's earlier view: with the same mounts, what was found of its namespace is still there.
        """
        self.mounts = mounts
        self._host, self._self_pid = host, self_pid
        self._mounts_before = before._mounts_by_text if before is not None else {}
        self._mounts_by_text: dict[str, tuple[Mount, ...]] = {}
        self._kept: set[int] = set()
        self._left = _MOST_KEPT_TEXTS
        self._roots: dict[str, bool] = {}
        #: By hierarchy and path the chains that this view alone shows, up to the root: each process there would find the same anew.
        self.whole: dict[tuple[int, str], list[tuple[int, Place]]] = {}
        #: By the lowest cgroup of a chain with more levels than are told, those of the others that limit.
        self.limiting: dict[str, Limiting] = {}
        found = before._namespace_roots if before is not None and before.mounts == mounts else {}
        self._namespace_roots: dict[str, str | None] = {key: directory for key, directory in found.items() if directory is not None}

    def forget(self) -> None:
        """What was found of single cgroups, of which a node has hundreds."""
        self.whole, self.limiting, self._roots = {}, {}, {}

    def locate_namespace_root(self, gap: Gap) -> str | None:
        """The directory, below the gap's mount, of the cgroup that the reader's namespace calls /."""
        key = f"{gap.mount.mount_point} {gap.depth}"
        if key not in self._namespace_roots:
            self._namespace_roots[key] = self._search(gap)
        return self._namespace_roots[key]

    def parse_mounts(self, text: str) -> tuple[Mount, ...]:
        """The mounts of any process, by the text of its mountinfo; the same text is parsed once, for this view and the one after it,
        as long as there is room.

        Raises Malformed.
        """
        if text in self._mounts_by_text:
            return self._mounts_by_text[text]
        before = self._mounts_before.get(text)
        mounts = locate_mounts(kernel.parse_mountinfo(text)) if before is None else before
        if len(text) <= self._left:
            self._left -= len(text)
            self._mounts_by_text[text] = mounts
            self._kept.add(id(mounts))
        return mounts

    def is_kept(self, mounts: tuple[Mount, ...]) -> bool:
        """Whether these are among the mounts that are kept by their text."""
        return id(mounts) in self._kept

    def is_hierarchy_root(self, version: int, place: Place) -> bool:
        """Whether the highest cgroup that can be seen is the hierarchy's true root: mostly one and the same for all processes."""
        if place.directory not in self._roots:
            self._roots[place.directory] = is_hierarchy_root(self._host, version, place)
        return self._roots[place.directory]

    def _search(self, gap: Gap) -> str | None:
        # The reader's own mounts, as it has them itself: the view below the root need not show them. By its pid: /proc/self is a link.
        own = read_optional(self._host, f"/proc/{self._self_pid}/mountinfo", kernel.parse_mountinfo, []) if self._self_pid else None
        for mount in locate_mounts(own or ()):
            if mount.device == gap.mount.device and mount.filesystem == gap.mount.filesystem and mount.root == "/":
                try:
                    identity = self._host.read_identity(f"/proc/{self._self_pid}/root{mount.mount_point}")
                    return self._host.locate_directory(gap.mount.mount_point, gap.depth, identity)
                except CgtuneError:
                    continue
        return self._search_own_cgroup(gap)

    def _search_own_cgroup(self, gap: Gap) -> str | None:
        """Without a mount of its own, the reader finds the cgroup that lists it; its namespace's root lies as far above."""
        memberships = read_optional(self._host, f"/proc/{self._self_pid}/cgroup", kernel.parse_cgroup, []) if self._self_pid else None
        for membership in memberships or ():
            chain = locate_chain(membership, gap.mount.replace(root="/"))
            if locate_hierarchy(membership, (gap.mount,)) and isinstance(chain, tuple):
                below = len(chain) - 1
                found = self._host.locate_own_directory(gap.mount.mount_point, gap.depth + below)
                return found if found is None or not below else found.rsplit("/", below)[0]
        return None


class ChainReader:
    """Finds the chain of one process for each controller, and keeps those already found: on v2 all controllers share one."""

    def __init__(self, host: Host, pid: int, memberships: tuple[Membership, ...], ours: Ours, notes: list[Note]) -> None:
        """``ours`` are the reader's mounts; what cannot be seen goes to ``notes``."""
        self._host, self._pid, self._memberships, self._ours, self._notes = host, pid, memberships, ours, notes
        self._found: dict[int, list[tuple[int, Place]]] = {}
        self._theirs: tuple[Mount, ...] | None = None
        self._hidden_above: dict[int, str] = {}  # by hierarchy, the highest cgroup that can be seen if there are others above it
        self._privilege: str | None = None  # what would have shown more, if anything was refused

    def locate(self, controller: str) -> list[tuple[int, Place]]:
        """(version, place) from the leaf up, of the hierarchy that holds the controller; empty where it cannot be seen."""
        membership = locate_membership(self._memberships, controller)
        return self._locate_membership(membership) if membership is not None else []

    def hidden_above(self, controller: str) -> str | None:
        """The highest cgroup of the chain that ``locate`` found, if there are others above it that cannot be seen; None: there are none."""
        membership = locate_membership(self._memberships, controller)
        return None if membership is None else self._hidden_above.get(membership.hierarchy_id)

    def locate_unified(self) -> list[tuple[int, Place]]:
        """The chain in the cgroup v2 hierarchy: it has pressure files even where all controllers are on v1."""
        membership = next((line for line in self._memberships if line.hierarchy_id == 0), None)
        return self._locate_membership(membership, silently=True) if membership is not None else []

    def locate_usage(self) -> list[tuple[int, Place]]:
        """The chain in v1's hierarchy that counts CPU time, mostly but not always that of the cpu controller; empty if v1 has none."""
        membership = next((line for line in self._memberships if "cpuacct" in line.controllers), None)
        return self._locate_membership(membership, silently=True) if membership is not None else []

    def their_mounts(self) -> tuple[Mount, ...]:
        """The mounts as the target has them. Not being allowed to see them is a note only where they are needed."""
        if self._theirs is None:
            refused: list[Note] = []
            read = read_optional(self._host, f"/proc/{self._pid}/mountinfo", self._ours.parse_mounts, refused, kept=True)
            self._privilege = next((note.privilege for note in refused), self._privilege)
            self._theirs = read or ()
        return self._theirs

    def _locate_membership(self, membership: Membership, *, silently: bool = False) -> list[tuple[int, Place]]:
        key = (membership.hierarchy_id, membership.path)
        if membership.hierarchy_id not in self._found and key in self._ours.whole:
            self._found[membership.hierarchy_id] = kept = self._ours.whole[key]
            if not silently and kept[0][1].directory in self._ours.limiting:
                self._notes.append(self._say_left_out(self._ours.limiting[kept[0][1].directory]))
        if membership.hierarchy_id not in self._found:
            notes: list[Note] = []
            if len(membership.path.encode("utf-8", "surrogateescape")) >= _CUT_PATH_BYTES:
                why = "the kernel cut so long a path short: what lies deeper cannot be seen, the process's own cgroup with it"
                notes.append(Note(path=f"/proc/{self._pid}/cgroup", why=why))
            version = 2 if membership.hierarchy_id == 0 else 1
            located = self._best_chain(version, membership, notes)
            chain = self._existing(membership, located, notes)
            chain, left_out = self._with_limiting(version, located, chain)
            if chain:
                self._note_hidden_ancestors(membership.hierarchy_id, version, chain[-1], notes)
            self._found[membership.hierarchy_id] = [(version, place) for place in chain]
            if chain and not notes and membership.hierarchy_id not in self._hidden_above and not chain[0].directory.startswith("/proc/"):
                self._ours.whole[key] = self._found[membership.hierarchy_id]
            if left_out is not None:
                notes.append(left_out)
            if not silently:
                self._notes.extend(notes)
        return self._found[membership.hierarchy_id]

    def _best_chain(self, version: int, membership: Membership, notes: list[Note]) -> tuple[Place, ...]:
        chains, gaps = self._chains_of(membership, self._ours.mounts, "")
        best = max(chains, key=len, default=())
        if not self._is_whole(version, best):
            best = max(best, self._across(gaps), key=len)
        if best and (self._is_whole(version, best) or self.their_mounts() == self._ours.mounts):
            return best
        theirs, their_gaps = self._chains_of(membership, self.their_mounts(), f"/proc/{self._pid}/root")
        if theirs:
            chain = max(theirs, key=len)
            best = max(best, self._in_our_view(gaps, chain) or chain, key=len)
        if not self._is_whole(version, best):
            best = max(best, self._across(their_gaps), key=len)
        if best:
            return best
        why = "its cgroup is not below any cgroup mount that can be seen from here"
        if gaps or their_gaps:
            why = "the names of its parents are hidden from this cgroup namespace, and its directory could not be found by inode either"
        elif not self.their_mounts():
            why += ", and its own mounts cannot be read"
        why = f"{membership.path}: {why}"
        notes.append(Note(path=f"/proc/{self._pid}/cgroup", why=why, privilege=self._privilege, kind="failed"))
        return ()

    def _is_whole(self, version: int, chain: tuple[Place, ...]) -> bool:
        return bool(chain) and self._ours.is_hierarchy_root(version, chain[-1])

    def _across(self, gaps: list[Gap]) -> tuple[Place, ...]:
        for gap in gaps:
            namespace_root = self._ours.locate_namespace_root(gap)
            if namespace_root is not None:
                return locate_in_gap(gap, namespace_root)
        return ()

    def _chains_of(self, membership: Membership, mounts: tuple[Mount, ...], below: str) -> tuple[list[tuple[Place, ...]], list[Gap]]:
        chains, gaps = [], []
        for mount in locate_hierarchy(membership, mounts)[:_MOST_MOUNTS]:
            place = locate_chain(membership, mount)
            mount_point = below + mount.mount_point
            if place is None or not self._trusted(mount_point, mount, mounts):
                continue
            if isinstance(place, Gap):
                gaps.append(place.replace(mount=mount.replace(mount_point=mount_point)))
            else:
                chains.append(tuple(step.replace(directory=below + step.directory) for step in place) if below else place)
        return chains, gaps

    def _trusted(self, mount_point: str, mount: Mount, mounts: tuple[Mount, ...]) -> bool:
        # A FUSE filesystem above the mount could hold a walk up for ever; the root itself (fuse-overlayfs) is common and is let pass.
        if mount_point != mount.mount_point and any(
            other.filesystem.startswith("fuse") and mount.mount_point.startswith(other.mount_point + "/")  # never so of the root, "/"
            for other in mounts
        ):
            return False
        try:
            self._host.require_device(mount_point, mount.device)
        except CgtuneError as error:
            self._privilege = getattr(error, "privilege", None) or self._privilege
            return False
        return True

    def _in_our_view(self, gaps: list[Gap], chain: tuple[Place, ...]) -> tuple[Place, ...]:
        """The same cgroup below our own mount, found by the inode of its directory: that view shows its ancestors as well."""
        for gap in gaps:
            try:
                identity = self._host.read_identity(chain[0].directory)
                depth = gap.kept + len(gap.rest)
                found = self._host.locate_directory(gap.mount.mount_point, depth, identity)
            except CgtuneError:
                continue
            if found is not None:
                return locate_in_gap(gap.replace(kept=depth, rest=()), found)
        return ()

    def _existing(self, membership: Membership, chain: tuple[Place, ...], notes: list[Note]) -> tuple[Place, ...]:
        """The chain without the cgroups that are gone: a membership that ends in " (deleted)" names a removed one (cgroups(7))."""
        for index, place in enumerate(chain):
            try:
                self._host.read_identity(place.directory)
            except Absent:
                notes.append(
                    Note(path=place.directory, why="this cgroup does not exist here (removed, or its files are mounted elsewhere)")
                )
                continue
            except CgtuneError as error:
                notes.append(note_on(place.directory, error))
                continue
            return chain[index:]
        if chain:  # a cgroup can be gone, and the root of a hierarchy cannot
            why = f"{membership.path}: neither this cgroup nor one above it is at {chain[-1].directory}: its files are mounted elsewhere"
            notes.append(Note(path=f"/proc/{self._pid}/cgroup", why=why, kind="failed"))
        return ()

    def _with_limiting(self, version: int, located: tuple[Place, ...], chain: tuple[Place, ...]) -> tuple[tuple[Place, ...], Note | None]:
        """Returns (the chain with those of the cgroups left out of it that limit, a note on the others; None: none was left out)."""
        if not chain or next(locate_left_out(located), None) is None:
            return chain, None
        lowest = located[0].directory
        if lowest not in self._ours.limiting:
            self._ours.limiting[lowest] = read_limiting(self._host, version, located)
        found = self._ours.limiting[lowest]
        gone = len(located) - len(chain)
        whole = [*chain]
        for index, place in reversed(found.places):
            whole.insert(max(index - gone, 0), place)
        return tuple(whole), self._say_left_out(found)

    def _say_left_out(self, found: Limiting) -> Note:
        why = f"{found.count} of its cgroups lie between these: they were asked for their limits alone, and the tightest are shown"
        return Note(path=f"/proc/{self._pid}/cgroup", why=why)

    def _note_hidden_ancestors(self, hierarchy_id: int, version: int, top: Place, notes: list[Note]) -> None:
        if self._ours.is_hierarchy_root(version, top):
            return
        if top.path not in self._hidden_above.values():  # v1 has one hierarchy a controller, and the same is hidden in each
            why = f"cgroups above {top.path} cannot be seen from here; their limits apply all the same"
            notes.append(Note(path=top.directory, why=why, kind="hidden"))
        self._hidden_above[hierarchy_id] = top.path


#: The files that may limit, by version; v1 has one hierarchy with the first, another with the others.
_LIMITS = {
    2: ("cpu.max", "memory.max", "memory.high", "memory.swap.max"),
    1: ("cpu.cfs_quota_us", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
}


def read_limiting(host: Host, version: int, chain: tuple[Place, ...]) -> Limiting:
    """Which of the cgroups left out of a chain have the tightest limits: of each file the lowest one, and the leaf-most if several agree.

    From the top down, as the way to each is then one step from the one before: a walk for each would take as many steps as the square.
    """
    tightest: dict[str, tuple[float, int, int, Place]] = {}
    count = 0
    for count, (index, place) in enumerate(locate_left_out(chain), 1):
        for name in _LIMITS[version]:
            limit = _read_limit(host, f"{place.directory}/{name}")
            if limit is not None and (name not in tightest or limit <= tightest[name][0]):
                tightest[name] = limit, count, index, place
    places = {number: (index, place) for _, number, index, place in tightest.values()}
    return Limiting(count=count, places=tuple(places[number] for number in sorted(places, reverse=True)))


def _read_limit(host: Host, path: str) -> float | None:
    """Cores or bytes; None for no limit, and if there is no such file or it cannot be read."""
    try:
        text = host.read_text(path)
        if path.endswith("/cpu.max"):
            return kernel.parse_cpu_max(text).limit_cores
        if path.endswith("/cpu.cfs_quota_us"):
            if text.startswith("-"):
                return None
            return kernel.parse_cfs_quota(text, host.read_text(f"{path.rpartition('/')[0]}/cpu.cfs_period_us")).limit_cores
        return kernel.parse_byte_limit(text).limit_bytes
    except CgtuneError:
        return None


def is_hierarchy_root(host: Host, version: int, place: Place) -> bool:
    """Only a hierarchy's true root has release_agent (v1); every cgroup but the true root has cgroup.events (v2)."""
    if version == 2:
        return not exists(host, f"{place.directory}/cgroup.events")
    try:
        host.read_text(f"{place.directory}/release_agent")
    except CgtuneError:
        return False  # it is not there, or that cannot be told
    return True
