"""Memberships and mounts to directories: what is mounted over what, paths that leave the namespace, several hierarchies."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, example, given, strategies as st

from cgtune.cgroups.kernel import parse_cgroup, parse_mountinfo
from cgtune.cgroups.locate import (
    Gap,
    count_hidden,
    locate_chain,
    locate_hierarchy,
    locate_in_gap,
    locate_membership,
    locate_mode,
    locate_mounts,
    locate_namespace_root,
    rebase_path,
)
from cgtune.model import Membership, Mount


def mount(
    root: str = "/", point: str = "/sys/fs/cgroup", *, id_: int = 30, parent: int = 20, type_: str = "cgroup2", options: str = "rw"
) -> Mount:
    """One mount, a cgroup2 one by default."""
    return Mount(
        mount_id=id_,
        parent_id=parent,
        device="0:26",
        root=root,
        mount_point=point,
        filesystem=type_,
        super_options=tuple(options.split(",")),
    )


def unified(path: str) -> Membership:
    """A cgroup v2 membership."""
    return Membership(hierarchy_id=0, controllers=(), path=path)


# Name: mount lines (id, parent, mount point), prefix, what can be reached (id and where below the prefix).
MOUNTS: dict[str, tuple[list[tuple[int, int, str]], str, dict[int, str]]] = {
    "nothing over anything": ([(1, 0, "/"), (2, 1, "/sys"), (3, 2, "/sys/fs/cgroup")], "", {1: "/", 2: "/sys", 3: "/sys/fs/cgroup"}),
    "one on the same point": ([(1, 0, "/"), (2, 1, "/c"), (3, 2, "/c")], "", {1: "/", 3: "/c"}),
    "two on the same point": ([(1, 0, "/"), (2, 1, "/c"), (3, 2, "/c"), (4, 3, "/c")], "", {1: "/", 4: "/c"}),
    "what lies in the upper one": ([(1, 0, "/"), (2, 1, "/c"), (3, 2, "/c"), (4, 3, "/c/d")], "", {1: "/", 3: "/c", 4: "/c/d"}),
    "what lies in the lower one": ([(1, 0, "/"), (2, 1, "/c"), (3, 2, "/c"), (4, 2, "/c/d")], "", {1: "/", 3: "/c"}),
    "a folder above is overlaid": ([(1, 0, "/"), (2, 1, "/a/c"), (3, 1, "/a")], "", {1: "/", 3: "/a"}),
    "and what lies below with it": ([(1, 0, "/"), (2, 1, "/a/c"), (4, 2, "/a/c/d"), (3, 1, "/a")], "", {1: "/", 3: "/a"}),
    "a name that only begins alike": ([(1, 0, "/"), (2, 1, "/ab/c"), (3, 1, "/a")], "", {1: "/", 2: "/ab/c", 3: "/a"}),
    "a name that sorts between": ([(1, 0, "/"), (2, 1, "/a"), (3, 1, "/a-b"), (4, 2, "/a/b")], "", {1: "/", 2: "/a", 3: "/a-b", 4: "/a/b"}),
    "no longer path can be looked up": (
        [(1, 0, "/"), (2, 1, "/" + "x" * 4095), (3, 1, "/" + "y" * 4096)],
        "",
        {1: "/", 2: "/" + "x" * 4095},
    ),
    "the root is overlaid": ([(1, 0, "/"), (2, 1, "/"), (3, 1, "/c"), (4, 2, "/d")], "", {2: "/", 4: "/d"}),
    "the first is its own parent": ([(1, 1, "/"), (2, 1, "/c")], "", {1: "/", 2: "/c"}),
    "a root that is no mount point": ([(5, 28, "/proc"), (6, 28, "/c")], "", {5: "/proc", 6: "/c"}),
    "below a prefix": ([(1, 0, "/"), (2, 1, "/host/c"), (3, 1, "/c"), (4, 1, "/hostile")], "/host", {2: "/c"}),
    "the prefix itself": ([(1, 0, "/"), (2, 1, "/host"), (3, 2, "/host/c")], "/host", {2: "/", 3: "/c"}),
    "a loop of parents": ([(1, 2, "/"), (2, 1, "/"), (3, 2, "/c")], "", {}),
    "one number twice": ([(1, 0, "/"), (2, 1, "/"), (1, 2, "/")], "", {1: "/"}),
}


@pytest.mark.parametrize("name", MOUNTS)
def test_mounts_that_can_be_reached(name: str) -> None:
    """The kernel lists covered mounts too; only what a look-up would end in is used."""
    lines, prefix, reached = MOUNTS[name]
    mounts = tuple(mount(id_=id_, parent=parent, point=point) for id_, parent, point in lines)
    assert {found.mount_id: found.mount_point for found in locate_mounts(mounts, prefix)} == reached


@pytest.mark.parametrize(
    "points",
    [[f"/a/b/{number}" for number in range(20_000)], ["/a"] * 20_000, ["/a" * 2000 + f"/{number}" for number in range(2000)]],
    ids=["side by side", "one on top of the other", "two thousand folders deep"],
)
def test_many_mounts_do_not_hold_it_up(points: list[str]) -> None:
    """fs.mount-max is 100 000 for each namespace: the time grows with the size of the table, not with its square."""
    stacked = len(set(points)) == 1
    mounts = tuple(mount(id_=number + 2, parent=number + 1 if stacked else 1, point=point) for number, point in enumerate(points))
    before = time.process_time()
    assert len(locate_mounts((mount(id_=1, parent=0, point="/"), *mounts))) == (2 if stacked else len(points) + 1)
    assert time.process_time() - before < 5


# Name: membership path, mount root, mount point, the chain as (path, directory), leaf first.
CHAINS: dict[str, tuple[str, str, str, list[tuple[str, str]] | None]] = {
    "the whole hierarchy": ("/a/b", "/", "/c", [("/a/b", "/c/a/b"), ("/a", "/c/a"), ("/", "/c")]),
    "the root's own": ("/", "/", "/c", [("/", "/c")]),
    "a container's mount": ("/docker/x", "/docker/x", "/c", [("/docker/x", "/c")]),
    "below a container's mount": ("/docker/x/y", "/docker/x", "/c", [("/docker/x/y", "/c/y"), ("/docker/x", "/c")]),
    "another container's mount": ("/docker/x", "/docker/y", "/c", None),
    "a name that only begins alike": ("/docker/xy", "/docker/x", "/c", None),
    "above the mount's root": ("/docker", "/docker/x", "/c", None),
    "a sibling's, through its own mount": ("/../b", "/../b", "/proc/1/root/c", [("/../b", "/proc/1/root/c")]),
    "a sibling's child": ("/../b/x", "/../b", "/c", [("/../b/x", "/c/x"), ("/../b", "/c")]),
    "a sibling's, through ours": ("/../b", "/", "/c", None),
    "a sibling's, one level up": ("/../b", "/..", "/c", [("/b", "/c/b"), ("/", "/c")]),
    "two levels up": ("/../../p/b", "/../..", "/c", [("/p/b", "/c/p/b"), ("/p", "/c/p"), ("/", "/c")]),
    "mounted at the root of everything": ("/a", "/", "/", [("/a", "/a"), ("/", "/")]),
    "names like dots": ("/.../..a", "/", "/c", [("/.../..a", "/c/.../..a"), ("/...", "/c/..."), ("/", "/c")]),
    "colons, blanks, backslashes": ("/a b:c\\d", "/", "/c", [("/a b:c\\d", "/c/a b:c\\d"), ("/", "/c")]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains(name: str) -> None:
    """The cgroups from the process's own to the mount's root, each with the directory its files lie in; None where it is not below."""
    path, root, point, expected = CHAINS[name]
    chain = locate_chain(unified(path), mount(root, point))
    assert not isinstance(chain, Gap)
    assert expected == (None if chain is None else [(place.path, place.directory) for place in chain])


# Name: membership, mount root, where our namespace's root was found below the mount, the chain's directories.
GAPS: dict[str, tuple[str, str, str, list[str]]] = {
    "our own": ("/", "/..", "/c/me", ["/c/me", "/c"]),
    "our own child": ("/x", "/../..", "/c/p/me", ["/c/p/me/x", "/c/p/me", "/c/p", "/c"]),
    "a sibling": ("/../b", "/../..", "/c/p/me", ["/c/p/b", "/c/p", "/c"]),
    "a cousin": ("/../../q/b", "/../../..", "/c/n/p/me", ["/c/n/q/b", "/c/n/q", "/c/n", "/c"]),
}


@pytest.mark.parametrize("name", GAPS)
def test_gaps_are_crossed(name: str) -> None:
    """Parents whose names are hidden are known once our own place below the mount is found; the mount's depth says how deep to look."""
    path, root, found, expected = GAPS[name]
    gap = locate_chain(unified(path), mount(root, "/c"))
    assert isinstance(gap, Gap)
    assert gap.depth == len(found.strip("/").split("/")) - 1
    assert [place.directory for place in locate_in_gap(gap, found)] == expected


def test_a_gap_above_a_named_root_is_no_way() -> None:
    """A mount of a cousin's subtree cannot lead to our own cgroups, however many levels it lies up."""
    assert locate_chain(unified("/"), mount("/../other")) is None


MACHINE = parse_mountinfo(
    """31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu
33 31 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 31 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
35 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
)
MEMBERSHIPS = parse_cgroup("4:memory:/m\n3:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/u\n")


@pytest.mark.parametrize(("controller", "path"), [("cpu", "/c"), ("cpuacct", "/c"), ("memory", "/m"), ("cpuset", "/u"), ("io", "/u")])
def test_only_the_hierarchy_that_holds_the_controller_counts(controller: str, path: str) -> None:
    """A v1 hierarchy that lists the controller; else v2's."""
    membership = locate_membership(MEMBERSHIPS, controller)
    assert membership is not None
    assert membership.path == path


def test_a_controller_in_no_hierarchy_is_nowhere() -> None:
    """v1 alone, and the controller is not mounted: no membership at all."""
    assert locate_membership(MEMBERSHIPS[:3], "cpuset") is None


@pytest.mark.parametrize(
    ("index", "points"),
    [(0, ["/sys/fs/cgroup/memory"]), (1, ["/sys/fs/cgroup/cpu,cpuacct"]), (2, ["/sys/fs/cgroup/systemd"]), (3, ["/sys/fs/cgroup/unified"])],
)
def test_a_hierarchy_is_known_by_its_controllers_in_any_order(index: int, points: list[str]) -> None:
    """RHEL 7 mounts cpuacct,cpu where others mount cpu,cpuacct; the names of folders and links play no part."""
    assert [found.mount_point for found in locate_hierarchy(MEMBERSHIPS[index], MACHINE)] == points


@pytest.mark.parametrize(
    ("kept", "mode"),
    [(slice(0, 5), "hybrid"), (slice(0, 4), "v1"), (slice(3, 5), "v2"), (slice(4, 5), "v2"), (slice(3, 4), "none"), (slice(0, 0), "none")],
)
def test_the_mode_is_what_is_mounted(kept: slice, mode: str) -> None:
    """A v1 mount counts where it holds a controller, not for a name alone."""
    assert locate_mode(MACHINE[kept]) == mode


names = st.lists(
    st.text(st.characters(exclude_characters="/\n"), min_size=1, max_size=8).filter(lambda name: name not in (".", "..")), max_size=6
)


@given(below=names, root=names, ups=st.integers(0, 3))
def test_every_chain_ends_at_the_mount_and_loses_one_name_a_step(below: list[str], root: list[str], ups: int) -> None:
    """Whatever the names: the leaf first, one level a step, the mount point last."""
    base = "/" + "/".join([".."] * ups + root)
    chain = locate_chain(unified("/".join([base.rstrip("/"), *below]) or "/"), mount(base, "/c"))
    assert isinstance(chain, tuple)
    assert [place.directory for place in chain] == ["/".join(["/c", *below[:count]]) for count in range(len(below), -1, -1)]


def test_only_a_cgroup_mount_is_of_a_hierarchy() -> None:
    """Another file system may have an option of a controller's name."""
    membership = Membership(hierarchy_id=4, controllers=("cpu", "cpuacct"), path="/")
    mounts = mount(point="/tmp", type_="fuse", options="rw,cpu"), mount(point="/c", type_="cgroup", options="rw,cpu,cpuacct")
    assert locate_hierarchy(membership, mounts) == mounts[1:]


@pytest.mark.parametrize(
    ("path", "roots", "initial", "begins", "assumed"),
    [
        ("/a/b", ["/", "/a"], False, "/a", False),  # its own mount is the deepest above it
        ("/a/b", ["/a", "/"], True, "/", False),  # the machine's first namespace begins at the very top
        ("/a/b", ["/", "/c"], False, "/a/b", True),  # another cgroup's mount says nothing
        ("/", ["/"], False, "/", False),
        ("/a/b", [], False, "/a/b", True),
        ("/../b/c", ["/..", "/../b"], False, "/../b", False),
        ("/../b/c", ["/..", "/../b"], True, "/..", False),
    ],
)
def test_where_a_namespace_begins(path: str, roots: list[str], initial: bool, begins: str, assumed: bool) -> None:
    """At the deepest mount root above the process; at the highest for the machine's first; else its own cgroup is assumed."""
    mounts = tuple(mount(root, f"/{number}", id_=number) for number, root in enumerate(roots))
    assert locate_namespace_root(unified(path), mounts, initial=initial) == (begins, assumed)


@given(path=st.text(), root=st.text(), point=st.text())
def test_any_text_is_located_or_not(path: str, root: str, point: str) -> None:
    """No path, however odd, raises."""
    locate_chain(unified(path), mount(root, point))
    locate_mounts((mount(root, point), mount(path, root, id_=31, parent=30)))


#: The names from a hierarchy's true root down to a cgroup: few of them, so that two cgroups often share parents.
TRUE_PATHS = st.lists(st.sampled_from("abc"), max_size=4)


def _spelled(cgroup: list[str], reader: list[str]) -> str:
    """A cgroup as the kernel prints it for a reader whose namespace begins at ``reader`` (kernfs_path_from_node, fs/kernfs/dir.c)."""
    shared = 0
    while shared < min(len(cgroup), len(reader)) and cgroup[shared] == reader[shared]:
        shared += 1
    return "/" + "/".join([".."] * (len(reader) - shared) + cgroup[shared:])


@given(cgroup=TRUE_PATHS, ours=TRUE_PATHS, theirs=TRUE_PATHS)
@example(cgroup=["c"], ours=["a", "b"], theirs=["a", "c"])  # theirs begins beside ours, the cgroup above both
@example(cgroup=[], ours=["a"], theirs=["a", "b"])
def test_a_path_is_spelled_for_another_reader_and_back(cgroup: list[str], ours: list[str], theirs: list[str]) -> None:
    """From how we see a cgroup and their namespace follows how they see it, and from that how we do, unless parents' names are hidden."""
    we_see, they_begin = _spelled(cgroup, ours), _spelled(theirs, ours)
    they_see, we_begin = _spelled(cgroup, theirs), _spelled(ours, theirs)
    assume(count_hidden(we_see, they_begin) == 0)
    assert rebase_path(we_see, they_begin) == they_see
    if count_hidden(they_see, we_begin) == 0:
        assert rebase_path(they_see, we_begin) == we_see
