"""Recommended values for a Go process, from what is enforced on it, what is measured in its cgroups, and a policy. Pure."""

from __future__ import annotations

from cgtune.advice.habits import say_overruling
from cgtune.advice.kept import keep_memory, keep_procs
from cgtune.advice.memory import advise_memory, is_without_memory_limit, say_no_memory_limit, say_node_limit
from cgtune.advice.procs import format_quota, procs_without_pin, recommend_procs, survive_quota
from cgtune.model import Policy, ProcessReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.advice.memory import Groups
    from cgtune.model import Level, Limits, Note, Recommendation, Snapshot

_DEFAULT = Policy()
_ALONE: Groups = {}


def advise(snapshot: Snapshot, limits: Limits, policy: Policy = _DEFAULT, groups: Groups = _ALONE) -> tuple[Recommendation, ...]:
    """The recommended GOMAXPROCS and GOMEMLIMIT of a Go process, empty for other programs.

    A process has one environment: where it holds several Go runtimes, the values are right for all of them at once. ``groups`` are the
    Go processes of the machine by cgroup: those in one with this one share its limit in proportion to the memory that each has mapped.
    GOGC is left as it is.
    """
    if not snapshot.go:
        return ()
    cpu = limits.cpu
    says = () if cpu.binding is None else (format_quota(limits),)
    by_itself = {procs_without_pin(facts, len(snapshot.allowed_cpus)) for facts in snapshot.go}
    follows = by_itself.pop() if len(by_itself) == 1 else None
    recommended = recommend_procs(cpu.limit_cores, len(cpu.usable), policy, follows_by_itself=follows)
    for facts in snapshot.go:
        recommended = survive_quota(recommended, facts, len(cpu.usable))
    procs = recommended.replace(because=says + recommended.because)
    memory = advise_memory(snapshot, limits, policy, groups)
    process = ProcessReport(snapshot=snapshot, limits=limits)
    if cpu.limit_cores is None and cpu.unseen is not None:
        procs = procs.replace(because=say_unlimited("CPU quota", snapshot.cpu_chain, process.unread_quotas, cpu.unseen))
    if snapshot.container.runtime == "cri-o":
        from cgtune.advice.injected import say_injected

        injected = next(filter(None, (say_injected(snapshot, facts) for facts in snapshot.go)), None)
        procs = procs if injected is None else procs.replace(because=(*procs.because, injected))
    unlimited = limits.memory.limit_bytes is None and limits.memory.high_bytes is None
    if node := say_node_limit(limits.memory) if not process.unread_memory_limits else ():
        memory = memory.replace(because=node)
    elif unlimited and limits.memory.unseen is not None:
        chain, unread = snapshot.memory_chain, process.unread_memory_limits
        memory = memory.replace(because=say_unlimited("memory limit", chain, unread, limits.memory.unseen))
    if memory.set and all(is_without_memory_limit(facts) for facts in snapshot.go):
        memory = memory.replace(value=None, set=False, because=(say_no_memory_limit(snapshot.go[0]),))
    return keep_procs(_say_overruled(procs, snapshot), snapshot), keep_memory(_say_overruled(memory, snapshot), snapshot)


def _say_overruled(recommended: Recommendation, snapshot: Snapshot) -> Recommendation:
    """Whether a variable that is there already is not what holds, or is known not to count: then no value of it helps."""
    if not recommended.set:
        return recommended
    for facts in snapshot.go:
        if recommended.name == "GOMAXPROCS" and (said := say_overruling(facts, recommended.value)):
            return recommended.replace(overruled=True, because=(*recommended.because, said))
        setting = next((one for one in facts.settings if one.name == recommended.name), None)
        there = facts.derived.variable(recommended.name) is not None and recommended.name not in facts.derived.ignored
        if setting is None or None in (setting.observed, setting.derived) or setting.observed == setting.derived or not there:
            continue
        if not facts.program.in_library:  # a library read the environment of the moment it was loaded
            because = (*recommended.because, "the program goes by something else than the variable, which is there: set it there")
            return recommended.replace(overruled=True, because=because)
    return recommended


def say_unlimited(what: str, chain: Sequence[Level], unread: Sequence[Note], unseen: str | None) -> tuple[str, ...]:
    """Why no limit is known. ``unseen`` says why one may be there all the same; None: all cgroups were seen."""
    if unread:
        return (f"no {what} is known", *say_unread(unread))
    if not chain:
        return (f"its cgroups cannot be seen from here, so no {what} is known",)
    return (f"no {what} in any cgroup that can be seen" + ("" if unseen is None else f", but {unseen}"),)


def say_unread(unread: Sequence[Note]) -> tuple[str, ...]:
    """Which limit files are there and tell nothing."""
    return tuple(f"{note.path} cannot be read: {note.why}" for note in unread)
