"""The texts of /proc/self as a process in another cgroup namespace reads them: only paths of cgroups change."""

from __future__ import annotations

import pytest

from cgtune.errors import Malformed
from cgtune.runtimes.go.derived.ownview import rebase_texts

OVERLAY = "25 1 0:25 / / rw - overlay overlay rw\n"


def _mount(root: str) -> str:
    return f"{OVERLAY}30 25 0:26 {root} /sys/fs/cgroup ro - cgroup2 cgroup rw\n"


def test_a_private_namespace_calls_its_root_slash() -> None:
    """With the hierarchy mounted inside, the mount's root says where the namespace begins."""
    texts = rebase_texts("0::/pod/app/worker\n", _mount("/pod/app"), initial=False)
    assert (texts.cgroup, texts.mountinfo, texts.assumed) == ("0::/worker\n", _mount("/"), ())


def test_where_it_begins_is_assumed_if_nothing_tells() -> None:
    """Under the mounts of the outside, its own cgroup is taken, and that is said."""
    texts = rebase_texts("0::/pod/app\n", _mount("/"), initial=False)
    assert (texts.cgroup, texts.mountinfo, texts.assumed) == ("0::/\n", _mount("/../.."), ("/pod/app",))


def test_only_where_go_looks_is_assumed() -> None:
    """With the controllers on v1 a container has no mount of v2, whose line says nothing of its CPUs."""
    mounts = "30 25 0:26 /pod/app /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n"
    texts = rebase_texts("1:cpu:/pod/app\n0::/pod\n", f"{OVERLAY}{mounts}", initial=False)
    assert (texts.cgroup, texts.assumed) == ("1:cpu:/\n0::/\n", ())


def test_the_first_namespace_begins_at_the_top() -> None:
    """A process outside, seen from inside a container."""
    texts = rebase_texts("0::/../other\n", _mount("/../.."), initial=True)
    assert texts.assumed == ()
    assert texts.mountinfo == _mount("/")


def test_strange_paths_survive() -> None:
    """Escapes are the kernel's again, and other mounts stay as they are to the byte."""
    texts = rebase_texts("0::/pod/a b\n", _mount("/pod/a\\040b") + "31 25 0:4 net:[4026531833] /x rw - nsfs nsfs rw\n", initial=False)
    assert texts.cgroup == "0::/\n"
    assert texts.mountinfo == _mount("/") + "31 25 0:4 net:[4026531833] /x rw - nsfs nsfs rw\n"


@pytest.mark.parametrize(("cgroup", "mountinfo"), [("nonsense\n", OVERLAY), ("0::/\n", "nonsense\n")])
def test_damaged_texts(cgroup: str, mountinfo: str) -> None:
    """Texts that are none are Malformed."""
    with pytest.raises(Malformed):
        rebase_texts(cgroup, mountinfo, initial=False)


@pytest.mark.parametrize(
    ("path", "root", "initial", "own", "hidden"),
    [
        ("/../other", "/../..", True, "/other", 1),
        ("/leaf", "/../..", True, "/leaf", 2),
        ("/", "/../..", True, "/", 2),
        ("/../../other", "/../..", True, "/other", 0),
        ("/../other", "/../other", False, "/", 0),
        ("/pod/app", "/", True, "/pod/app", 0),
    ],
)
def test_names_that_the_reader_cannot_see_are_counted(path: str, root: str, initial: bool, own: str, hidden: int) -> None:
    """Below a parent that the reader's namespace hides, its name is missing at the head of the path."""
    texts = rebase_texts(f"0::{path}\n", _mount(root), initial=initial)
    assert (texts.cgroup, texts.hidden) == (f"0::{own}\n", hidden)
