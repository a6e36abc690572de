"""The kernel's own log, /dev/kmsg: what it says from now on (Documentation/ABI/testing/dev-kmsg)."""

from __future__ import annotations

import errno
import os
import stat

from cgtune.errors import Unreadable, UsageError, reason
from cgtune.system.root import let_go

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_DEVICE = (1, 11)  # of /dev/kmsg: Documentation/admin-guide/devices.txt
_MOST_BYTES = 8192  # of a record: CONSOLE_EXT_LOG_MAX and PRINTKRB_RECORD_MAX, kernel/printk; a shorter buffer is refused
_MOST_RECORDS = 10_000  # at once: what comes faster than it is read must hold nobody up


class KernelLog:
    """The log from the moment on at which it was opened."""

    def __init__(self, root: str) -> None:
        """Open it below ``root``, or if there is none the one of our own: a live machine has one kernel.

        Raises UsageError for a root that is not live, Unreadable if it cannot be opened.
        """
        self._file = _open(root)
        self.lost = 0

    def read(self) -> Iterator[str]:
        """The records that came since the last time, without blocking. What was overwritten before it was read is counted in ``lost``."""
        for _record in range(_MOST_RECORDS):
            try:
                yield os.read(self._file, _MOST_BYTES).decode("ascii", "replace")
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:
                    return
                self.lost += 1

    def close(self) -> None:
        """Close it."""
        let_go(self._file)


def _open(root: str) -> int:
    tried = [f"{root.rstrip('/')}/dev/kmsg"] + ["/dev/kmsg"] * (root != "/")
    for path in tried:
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        except OSError as error:
            hint = "it needs CAP_SYSLOG, and to be let to the device" if isinstance(error, PermissionError) else "leave out --kernel-log"
            raise Unreadable(f"--kernel-log: {path}: {reason(error)}; {hint}", privilege="CAP_SYSLOG") from error
        status = os.fstat(file)
        if stat.S_ISCHR(status.st_mode) and (os.major(status.st_rdev), os.minor(status.st_rdev)) == _DEVICE:
            os.lseek(file, 0, os.SEEK_END)
            return file
        let_go(file)
        raise Unreadable(f"--kernel-log: {path} is not the kernel's log; leave out --kernel-log")
    raise Unreadable(f"--kernel-log: there is no {tried[0]}; mount the machine's own there, or leave out --kernel-log")


def require_live(root: str, *, is_live: bool) -> None:
    """Raise UsageError unless a kernel answers below the root."""
    if not is_live:
        raise UsageError(f"--kernel-log needs a live machine, and {root} is a copy or a recording; leave out --kernel-log")
