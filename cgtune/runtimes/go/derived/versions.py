"""The minor versions of Go 1 at which what a runtime derives has changed."""

from __future__ import annotations

#: The first that a memory limit can be given to, by GOMEMLIMIT.
FIRST_WITH_MEMORY_LIMIT = 19
#: The first that lowers GOMAXPROCS to a CPU quota by itself, and follows changes.
FIRST_AWARE = 25
#: The newest that was checked.
NEWEST = 27
