"""Whether a foreign file system is mounted at all, on the whole machine: if none is, no process has to be asked whether it has files there.

What pages are read from and written to, the kernel lists in /sys/devices/virtual/bdi: 8:0 is a disk. Each mounted FUSE and NFS has an entry
of its own (0:50, 8:17-fuseblk), in whatever mount namespace, as long as a file of it is open. What has none is told by its kind:
/proc/filesystems names all that this kernel knows.
Not covered: if a foreign one comes in the very moment in which a disk is taken away, the look that has begun does not notice.
"""

from __future__ import annotations

import os

from cgtune.system.root import let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.system.root import Root

_FOLDER = "/sys/devices/virtual/bdi"

#: File systems that the kernel answers for, from memory or a disk. autofs waits for its daemon, FUSE for anybody.
LOCAL = frozenset(
    [
        "adfs",
        "affs",
        "bcachefs",
        "befs",
        "bfs",
        "binfmt_misc",
        "bpf",
        "btrfs",
        "cgroup",
        "cgroup2",
        "configfs",
        "cramfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "efs",
        "erofs",
        "exfat",
        "ext2",
        "ext3",
        "ext4",
        "f2fs",
        "fusectl",
        "hfs",
        "hfsplus",
        "hugetlbfs",
        "iso9660",
        "jffs2",
        "jfs",
        "minix",
        "mqueue",
        "msdos",
        "nilfs2",
        "nsfs",
        "ntfs",
        "ntfs3",
        "omfs",
        "proc",
        "pstore",
        "ramfs",
        "reiserfs",
        "romfs",
        "rootfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "smackfs",
        "squashfs",
        "sysfs",
        "sysv",
        "tmpfs",
        "tracefs",
        "ubifs",
        "udf",
        "ufs",
        "vfat",
        "xfs",
        "zfs",
        "zonefs",
    ]
)

#: Kinds of which a mounted one has an entry of its own (fuse_bdi_init in fs/fuse/inode.c, nfs_get_tree_common in fs/nfs/super.c).
_LISTED = frozenset(("fuse", "fuseblk", "nfs", "nfs4"))

#: Kinds without files but those of other kinds (overlay), or without any (autofs); and what the kernel has for itself.
_EMPTY = frozenset(
    ("overlay", "autofs", "anon_inodefs", "bdev", "cpuset", "dax", "devmem", "guest_memfd", "pidfs", "pipefs", "secretmem", "sockfs")
)


class Backing:
    """What backs the file systems of the machine below one live root."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._folder: int | None = None
        self._count = 0  # the links of that folder if all was local, 0 if it was not or cannot be told
        self._is_known = False

    def forget(self) -> None:
        """Look anew, and close what is kept open."""
        if self._folder is not None:
            let_go(self._folder)
        self._folder, self._is_known = None, False

    def is_local(self) -> bool:
        """Whether no foreign file system is mounted now; False if that cannot be told. What was told holds until one is mounted."""
        if not self._is_known:
            self._count, self._is_known = self._look(), True
        if self._folder is None or not self._count:
            return False
        try:
            if os.fstat(self._folder).st_nlink != self._count:  # one for each folder in it, and two
                self._count = self._look()
        except OSError:
            return False
        return self._count > 0

    def _look(self) -> int:
        try:
            if self._folder is None:
                self._folder = os.dup(self._root.open_directory(_FOLDER))
            count = os.fstat(self._folder).st_nlink  # before the names: whatever comes later shows in it
            names = self._root.list_names(_FOLDER)
            kinds = parse_filesystems(self._root.read_whole("/proc/filesystems").decode("ascii", "replace"))
        except OSError:
            return 0
        is_local = len(names) == count - 2 and all(map(is_local_backing, names)) and kinds <= LOCAL | _LISTED | _EMPTY
        return count if names and is_local else 0


def is_local_backing(name: str) -> bool:
    """Whether an entry is that of a disk (8:0), or of one local file system for itself (btrfs-1)."""
    major, colon, minor = name.partition(":")
    if colon:
        return major.isdecimal() and minor.isdecimal() and int(major) != 0
    return name.rpartition("-")[0] in LOCAL


def parse_filesystems(text: str) -> set[str]:
    """The kinds of file systems that a kernel knows; of a line that is none, all of it."""
    # nodev   sysfs: whether it has no disk of its own, and its name (proc_filesystems(5)); used: 2
    return {line.removeprefix("nodev").strip() for line in text.splitlines()}
