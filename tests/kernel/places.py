"""Namespaces and mounts, as container engines arrange them: what Python 3.11 and the shell have no short words for."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWCGROUP = 0x00020000, 0x02000000
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE, MNT_DETACH = 4096, 8192, 16384, 1 << 18, 2
HELD = Path("/mnt")  # a folder that every machine has
CGROUP = Path("/sys/fs/cgroup")
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def unshare(flags: int) -> None:
    """Leave namespaces; Python 3.11 does not offer the system call."""
    _check(_libc.unshare(flags), "unshare")
    if flags & CLONE_NEWNS:
        _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")


def mount(source: str | Path, target: str | Path, kind: str | None = None, *, flags: int = 0, data: str | None = None) -> None:
    """Mount something; what is None is not given."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    _check(_libc.mount(words[0], words[1], words[2], flags, words[3]), f"mount {source} {target}")


def bind(source: str | Path, target: str | Path) -> None:
    """A bind mount of one directory, without what is mounted below it."""
    mount(source, target, flags=MS_BIND)


def replace_mount(place: Path) -> None:
    """Show one group only where its whole hierarchy was mounted, as engines do: what was there before is gone, not covered."""
    mounted = top_of(place)
    bind(place, HELD)
    unmount(mounted)
    mount(HELD, mounted, flags=MS_MOVE)


def bind_all(source: str | Path, target: str | Path) -> None:
    """A bind mount of one directory with all that is mounted below it."""
    mount(source, target, flags=MS_BIND | MS_REC)


def unmount(target: str | Path) -> None:
    """Take a mount away; what still holds it open does not hinder that."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def unmount_cgroups() -> None:
    """Take away every cgroup mount of this mount namespace, the last made first."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for words in reversed(lines):
        if words[2] in ("cgroup", "cgroup2"):
            unmount(words[1])


def mount_cgroups_afresh() -> None:
    """Replace the cgroup mounts as a container engine does in a private cgroup namespace."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    made = [(words[1], words[2], words[3]) for words in mounts if words[2] in ("cgroup", "cgroup2") and words[1].startswith(str(CGROUP))]
    for place, kind, options in made:
        unmount(place)
        kept = [word for word in options.split(",") if word not in ("rw", "relatime", "nosuid", "nodev", "noexec")]
        mount("cgroup", place, kind, data=",".join(kept) or None if kind == "cgroup" else None)


def top_of(place: Path) -> Path:
    """The mount a cgroup directory lies in."""
    return next(folder for folder in (place, *place.parents) if folder.is_mount())
