"""The minor versions of Go 1 at which what a runtime derives has changed."""

from __future__ import annotations

#: The first that a memory limit can be given to, by GOMEMLIMIT.
FIRST_WITH_MEMORY_LIMIT = 19
#: The first that lowers GOMAXPROCS to a CPU quota by itself, and follows changes.
FIRST_AWARE = 25
#: The newest that was checked.
NEWEST = 27
#: The newest patch of each that was checked, on real kernels, against what the runtime itself says.
NEWEST_PATCH = {21: 13, 22: 10, 23: 9, 24: 11, 25: 5, 26: 6, NEWEST: 3}
#: The same as people write them: "1.21.13".
CHECKED = tuple(f"1.{minor}.{patch}" for minor, patch in NEWEST_PATCH.items())
