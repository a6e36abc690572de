"""Which reads may never return is told by mount tables and mappings: what no table names as local counts as foreign."""

from __future__ import annotations

import errno

import pytest

from cgtune.system.foreign import Foreign, parse_mapped_devices, parse_mounts

_ROOT = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw"
_NFS = "30 22 0:50 / /data rw shared:3 - nfs4 server:/data rw"
_FUSE = "31 22 0:51 / /mnt/a\\040b/c rw - fuse.sshfs x: rw"
_OVERLAY = "22 1 0:60 / / rw - overlay overlay rw,lowerdir=/a:/b"
_SYS = "23 22 0:22 / /sys rw - sysfs sysfs rw"
_DISK_FUSE = "32 22 8:17 / /win rw - fuseblk /dev/sdb1 rw"

_LOCAL_LINE = b"55d0c8a00000-55d0c8a22000 r-xp 00000000 08:01 131 /usr/bin/cat\n7ffd0-7ffd1 rw-p 00000000 00:00 0 [stack]\n"
_NFS_LINE = b"7f00-7f01 r-xp 00000000 00:32 77 /data/lib.so\n"


@pytest.mark.parametrize(
    ("lines", "path", "covered"),
    [
        ((_ROOT, _SYS), "/sys/fs/cgroup/cpu.max", False),
        ((_ROOT, _NFS), "/data", True),
        ((_ROOT, _NFS), "/data/x", True),
        ((_ROOT, _NFS), "/database", False),
        ((_ROOT, _FUSE), "/mnt/a b/c/x", True),
        ((_ROOT, _FUSE), "/etc/hostname", False),
        (("22 1 0:51 / / rw - fuse.fuse-overlayfs x rw",), "/etc/hostname", True),
        ((_SYS,), "/etc/hostname", True),
        ((_ROOT, "damaged"), "/etc/hostname", True),
        ((_ROOT, *(f"{100 + each} 22 0:{each} / /m{each} rw - tmpfs t rw" for each in range(1000, 2990))), "/etc/hostname", False),
        ((_ROOT, *(f"{100 + each} 22 0:{each} / /m{each} rw - tmpfs t rw" for each in range(1000, 3010))), "/etc/hostname", True),
        ((_ROOT, "33 22 0:52 / /n rw - newfs x rw"), "/n/x", True),
        ((_ROOT, "33 22 0:52 / /n rw - autofs x rw"), "/n/x", True),
    ],
    ids=[
        "local",
        "nfs",
        "below",
        "beside",
        "blank",
        "not there",
        "root on fuse",
        "no root",
        "damaged",
        "many",
        "too many",
        "unknown",
        "autofs",
    ],
)
def test_what_lies_below_a_foreign_mount(lines: tuple[str, ...], path: str, covered: bool) -> None:
    """Each name on the way counts; a process whose root is in no table may have any."""
    assert parse_mounts("\n".join(lines), trusts_overlays=True).covers(path) == covered


@pytest.mark.parametrize(("trusts", "covered"), [(True, False), (False, True)])
def test_an_overlay_is_local_only_where_no_user_namespace_could_make_it(trusts: bool, covered: bool) -> None:
    """There anybody may lay one upon a FUSE file system."""
    assert parse_mounts(_OVERLAY, trusts_overlays=trusts).covers("/etc/hostname") == covered


@pytest.mark.parametrize(
    ("data", "devices"),
    [
        (_LOCAL_LINE, {"8:1", "0:0"}),
        (_NFS_LINE, {"0:50"}),
        (b"7f00-7f01 r-xp 00000000 103:05 7 /a 08:01 b\n", {"259:5"}),
        (b"", set()),
        (b"nothing of the kind\n", {"?"}),
        (b"one\n", {"?"}),
    ],
    ids=["disk", "network", "name with a device in it", "none", "damaged", "cut"],
)
def test_the_devices_of_mappings(data: bytes, devices: set[str]) -> None:
    """As a mount table spells them; names of files cannot hide one."""
    assert parse_mapped_devices(data) == devices


class _Process:
    """One process, number 7, as the files of a machine tell of it."""

    def __init__(self, *mounts: str, executable: str = "/usr/bin/cat", user: str = "user:[1]") -> None:
        self.table, self.executable, self.user = "\n".join(mounts), executable, user
        self.devices: dict[str, frozenset[str]] = {}
        self.foreign = Foreign(self._read, self._read_link, self.devices)

    def _read(self, path: str) -> bytes:
        assert path == "/proc/7/mountinfo"
        return self.table.encode()

    def _read_link(self, path: str) -> str:
        return {"/proc/7/ns/mnt": "mnt:[5]", "/proc/7/ns/user": self.user, "/proc/7/exe": self.executable}[path]

    def learn(self, maps: bytes) -> tuple[bool, set[str]]:
        """Returns (whether the mappings themselves were said to be able to sleep, the foreign devices)."""
        self.foreign.learn("7", maps)
        return self.foreign.may_map("7"), {*self.devices["7"]}


def test_a_process_with_local_files_alone_is_read_at_once() -> None:
    """Nothing of it is asked of another process."""
    assert _Process(_ROOT, _SYS).learn(_LOCAL_LINE) == (False, set())


def test_a_mapped_file_of_a_network_file_system_makes_it_foreign() -> None:
    """And so does the mount for its mappings, whose reader waits for whoever maps a file there."""
    assert _Process(_ROOT, _NFS).learn(_LOCAL_LINE) == (True, set())
    assert _Process(_ROOT, _NFS).learn(_LOCAL_LINE + _NFS_LINE) == (True, {"0:50"})


def test_what_we_run_from_ourselves_counts_as_local() -> None:
    """If that does not answer, we hang as well: a virtual machine's root by 9p, a diskless one's by NFS. No other of its kind does."""
    assert "0:0" not in _Process(_ROOT).foreign._own_devices() != frozenset()
    nowhere = b"7f00-7f01 r-xp 00000000 00:33 77 /data/lib.so\n"
    for own, told, mapped in (("0:50", False, set()), ("0:51", True, {"0:50"})):
        process = _Process(_ROOT, _NFS)
        process.foreign._ours = frozenset((own,))
        assert process.learn(_LOCAL_LINE + _NFS_LINE) == (told, mapped)
        assert process.learn(_LOCAL_LINE + nowhere)[1] == ({"0:51"} if own == "0:50" else set())


def test_autofs_has_no_files_that_could_be_mapped() -> None:
    """Nearly every machine with systemd has one mounted: what is below it may wait for its daemon, mappings do not."""
    process = _Process(_ROOT, "33 22 0:52 / /n rw - autofs systemd-1 rw")
    assert process.learn(_LOCAL_LINE) == (False, set())
    assert process.foreign.is_below_root("7", "/n/x")


def test_a_file_of_no_mount_that_is_seen_makes_it_foreign() -> None:
    """A descriptor may be handed on, and a file system taken away from all tables, while the file is open."""
    assert _Process(_ROOT).learn(_LOCAL_LINE + _NFS_LINE) == (False, {"0:50"})


def test_a_disk_that_fuse_answers_for_is_foreign_and_any_other_is_not() -> None:
    """A disk's own number tells nothing against a table that names its server."""
    line = b"7f00-7f01 r-xp 00000000 08:11 77 /win/lib.so\n"
    assert _Process(_ROOT, _DISK_FUSE).learn(_LOCAL_LINE + line) == (True, {"8:17"})
    assert _Process(_ROOT).learn(_LOCAL_LINE + line) == (False, set())


def test_an_executable_that_is_not_mapped_may_lie_anywhere() -> None:
    """As of a program that has unpacked itself into memory."""
    assert _Process(_ROOT, executable="/elsewhere").learn(_LOCAL_LINE) == (False, {"? of 7"})


@pytest.mark.parametrize(
    ("number", "devices"),
    [(errno.ETIMEDOUT, {"? of 7"}), (errno.EFBIG, {"? of 7"}), (errno.EACCES, set())],
    ids=["late", "large", "refused"],
)
def test_mappings_that_cannot_be_read(number: int, devices: set[str]) -> None:
    """Those that are there may tell of anything; who is refused them is refused all that may sleep."""
    process = _Process(_ROOT)
    process.foreign.learn("7", OSError(number, "refused"))
    assert process.devices == {"7": devices}


@pytest.mark.parametrize("size", [1, 7, 60, 1000])
@pytest.mark.parametrize(
    ("maps", "devices"), [(_LOCAL_LINE, set()), (_LOCAL_LINE + _NFS_LINE, {"0:50"}), (_NFS_LINE * 2, {"0:50", "? of 7"})]
)
def test_mappings_that_come_in_pieces(maps: bytes, devices: set[str], size: int) -> None:
    """Those of a database are too many for one text; nothing is known before the end."""
    process = _Process(_ROOT)
    process.foreign.learn("7", OSError(errno.EFBIG, ""))
    for offset in range(0, len(maps) + size, size):
        assert process.devices == {"7": {"? of 7"}}
        process.foreign.learn_piece("7", min(offset, len(maps)), maps[offset : offset + size])
    assert process.devices == {"7": devices}


def test_pieces_that_do_not_follow_each_other_tell_nothing() -> None:
    """One was left out."""
    process = _Process(_ROOT)
    process.foreign.learn("7", OSError(errno.EFBIG, ""))
    for offset, data in ((0, _LOCAL_LINE), (len(_LOCAL_LINE) + 1, b"x"), (len(_LOCAL_LINE) + 2, b"")):
        process.foreign.learn_piece("7", offset, data)
    assert process.devices == {"7": {"? of 7"}}


def test_a_mount_table_that_was_read_is_not_asked_for_again() -> None:
    """It is that of this look; the next one takes a new one."""
    process = _Process(_ROOT)
    process.foreign.see_mounts("7", f"{_ROOT}\n{_NFS}".encode())
    assert process.foreign.is_below_root("7", "/data/x")
    process.foreign.forget()
    assert not process.foreign.is_below_root("7", "/data/x")
