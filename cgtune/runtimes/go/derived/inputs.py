"""All that decides what a Go process derives."""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Compiler
    from cgtune.runtimes.go.derived.limitfile import LimitSeen, ReadLimit
    from cgtune.runtimes.go.program.version import GoVersion


class GoInputs(Record):
    """All that decides what a Go process derives. None stands for "not known to us" and makes what hangs on it unknown.

    ``environ`` is the environment as at exec, in its order, entries without "=" left out. ``default_godebug`` is the string that the
    linker put in, "" for none: see parse_default_godebug. ``cgroup_text`` and ``mountinfo_text`` are /proc/self/cgroup and
    /proc/self/mountinfo as the process itself sees them, "" if it has none; ``read_limit`` opens a path as that process spells it,
    gives None if it cannot, and raises a CgtuneError if we cannot tell. ``limit`` stands in for these three if it is given.
    ``library`` marks a runtime that lives in a shared library of another program. ``compiler`` is "gc", or "gccgo" with the version of the
    Go whose library it has.
    """

    version: GoVersion | None
    architecture: str = "amd64"
    default_godebug: str | None = ""
    environ: tuple[tuple[str, str], ...] | None = ()
    affinity_count: int | None
    cgroup_text: str | bytes | None = None
    mountinfo_text: str | bytes | None = None
    read_limit: ReadLimit | None = None
    limit: LimitSeen | None = None
    library: bool = False
    compiler: Compiler = "gc"
