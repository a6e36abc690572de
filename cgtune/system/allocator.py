"""The C library's allocator, told to hold no more than a service needs."""

from __future__ import annotations

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h of the GNU C library, mallopt(3)
_LARGE_BYTES = 128 << 10  # its own default, which grows with what is freed unless it is set


def hold_little() -> None:
    """Let all threads share one arena, and give large pieces back when they are freed.

    Python's lock lets one thread at a time allocate, and five arenas hold 2 to 4 MiB more. Other C libraries have no such setting.
    """
    try:
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, AttributeError):  # pragma: no cover  a C library or a Python without it
        return
    mallopt(_M_ARENA_MAX, 1)
    mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def give_back() -> None:
    """Give the kernel what was freed in the middle of the arena: a look needs more than what is kept of it."""
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)  # malloc_trim(3)
    except (ImportError, OSError, AttributeError):  # pragma: no cover  likewise
        return
