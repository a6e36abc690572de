"""That no foreign file system is mounted anywhere is told by what backs them all; what is not known to be local counts as foreign."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cgtune.system.backing import Backing, is_local_backing, parse_filesystems
from cgtune.system.root import Root

_KINDS = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tsockfs\n\text4\nnodev\toverlay\nnodev\tautofs\n\tfuseblk\nnodev\tfuse\nnodev\tnfs4\n"


@pytest.fixture
def machine() -> Iterator[Path]:
    """The files of a machine with two disks. A folder of a tmpfs has as many links as one of sysfs."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        for disk in ("8:0", "254:0"):
            (folder / "sys/devices/virtual/bdi" / disk).mkdir(parents=True)
        (folder / "proc").mkdir()
        (folder / "proc/filesystems").write_text(_KINDS)
        yield folder


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("8:0", True),
        ("253:10", True),
        ("btrfs-1", True),
        ("0:50", False),
        ("8:17-fuseblk", False),
        ("0:50.iomap", False),
        ("ceph-1", False),
        ("nfs4-2", False),
        ("mtd-0", False),
        ("", False),
    ],
)
def test_what_backs_a_file_system_is_a_disk_or_its_own(name: str, local: bool) -> None:
    """The kernel gives FUSE and networks a number of no disk, or a name."""
    assert is_local_backing(name) == local


def test_the_kinds_that_a_kernel_knows() -> None:
    """With and without a disk; what cannot be told is no known one."""
    assert parse_filesystems("nodev\tsysfs\n\text4\nnodev\n") == {"sysfs", "ext4", ""}


def test_a_machine_with_disks_alone(machine: Path) -> None:
    """Whatever else the kernel could mount; and a disk more changes nothing."""
    backing = Backing(Root(str(machine)))
    assert backing.is_local()
    (machine / "sys/devices/virtual/bdi/8:16").mkdir()
    assert backing.is_local()
    backing.forget()


def test_one_that_comes_is_noticed_at_the_next_question(machine: Path) -> None:
    """And holds for the look, as files on it may be open when it is gone from here."""
    backing, foreign = Backing(Root(str(machine))), machine / "sys/devices/virtual/bdi/0:50"
    assert backing.is_local()
    foreign.mkdir()
    assert not backing.is_local()
    foreign.rmdir()
    assert not backing.is_local()
    backing.forget()
    assert backing.is_local()
    backing.forget()


@pytest.mark.parametrize("wrong", ["kind", "foreign", "empty", "no folder", "no kinds"])
def test_what_cannot_be_told_counts_as_foreign(machine: Path, wrong: str) -> None:
    """A kind that nobody knows may wait for anybody without an entry of its own; and a folder that is empty is covered by another."""
    folder = machine / "sys/devices/virtual/bdi"
    if wrong == "kind":
        (machine / "proc/filesystems").write_text(f"{_KINDS}nodev\tgfs2\n")
    elif wrong == "foreign":
        (folder / "0:50").mkdir()
    elif wrong == "no kinds":
        (machine / "proc/filesystems").unlink()
    else:
        for disk in folder.iterdir():
            disk.rmdir()
        if wrong == "no folder":
            folder.rmdir()
    backing = Backing(Root(str(machine)))
    assert not backing.is_local()
    backing.forget()
