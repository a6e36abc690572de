"""The process table: which pids there are below a root, and where this very process may run; other facts are read elsewhere."""

from __future__ import annotations

import os

from cgtune.errors import translate


def own_affinity() -> frozenset[int]:
    """The CPUs that this very process may run on (sched_getaffinity(2))."""
    return frozenset(os.sched_getaffinity(0))


def psutil_pids(root: str) -> list[int]:
    """The pids below ``root``/proc, ascending: a live machine's, or those that a recording holds. Raises Unreadable."""
    import psutil

    before = psutil.PROCFS_PATH
    psutil.PROCFS_PATH = f"{root.rstrip('/')}/proc"
    try:
        return sorted(psutil.pids())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise translate(error, "/proc") from error
    finally:
        psutil.PROCFS_PATH = before
