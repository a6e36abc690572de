"""a memory limit is enforced and Go does not know it

What it means: no Go version takes its memory limit from the cgroup. Without GOMEMLIMIT the collector lets the heap grow to twice what is
alive (GOGC=100), whatever the kernel allows.

Why it hurts: the OOM killer ends the process although a collection would have made room. Measured with Go 1.27.3 in cgroups of 64 to 512
MiB: a live heap of 60 % of the limit was killed each time without GOMEMLIMIT, and lived with it.

How to confirm:
  grep -H . /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.current 2>/dev/null    # in the container, v2; v1:
  grep -H . /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null
  tr '\\0' '\\n' < /proc/PID/environ | grep -E 'GOMEMLIMIT|GOGC'
  grep -H 'oom_kill ' /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null   # v2, then v1

What to do: set GOMEMLIMIT to the memory limit, less what others use in that cgroup, less some headroom: the recommended value. Go before
1.19 has no such limit, nor has gccgo, and the variable has no effect there: build with a newer one of Go's own.

Sources: https://go.dev/doc/gc-guide (Memory limit); golang/go issue 75164.
"""

from __future__ import annotations

from cgtune.advice.memory import is_without_memory_limit
from cgtune.model import Finding
from cgtune.numbers import format_mib
from cgtune.rules.case import act
from cgtune.runtimes.go.derived.versions import FIRST_WITH_MEMORY_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Severity
    from cgtune.rules.case import Case

ID = "gomemlimit-unset"
SEVERITY: Severity = "warning"
SUMMARY = "a memory limit is enforced and Go does not know it"


def judge(case: Case) -> Finding | None:
    """No memory limit in Go under one of the kernel's for which a value is recommended."""
    if case.facts is None or case.gomemlimit != "off":
        return None
    if case.gogc == "off" and case.has_just_started:
        return None  # it is gc-off-without-limit's, and no warning yet
    old = is_without_memory_limit(case.facts)
    if not case.recommended("GOMEMLIMIT").set and not old:
        return None
    limit, name, does, words = case.memory.limit_bytes, "the memory limit", "kills", case.limit_words
    if limit is None:
        limit, name, does, words = case.memory.high_bytes, "memory.high", "slows it down", case.high_words
    if limit is None:
        return None
    own = "" if case.facts.program.compiler == "gc" else "'s own compiler,"
    later = (act(f"build with Go{own} 1.{FIRST_WITH_MEMORY_LIMIT} or later: {case.facts.program.name} has no memory limit"),)
    vain = ""
    if old and case.variable("GOMEMLIMIT"):
        vain = f"{case.variable_words('GOMEMLIMIT')} has no effect: {case.facts.program.name} does not read it"
    return Finding(
        rule=ID,
        severity=SEVERITY,
        summary=f"Go does not know {name}, {format_mib(limit)} MiB: its collector lets the heap grow past it",
        evidence=tuple(line for line in (words, case.gomemlimit_words, vain, case.live_words) if line),
        advice=later if old else case.set_memory(f"the collector then works harder before the kernel {does}"),
    )
