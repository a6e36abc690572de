"""its threads wait for a CPU though no quota of theirs stops them: neighbours, a small weight, or the host of a virtual machine

What it means: of the time in which the threads of the process wanted to run, they waited in a good part on a run queue, and its own quota
explains less than that. Over a window: from 20 % a warning, from 50 % critical, of the time in which they wanted to run, without what the
quota took, and only if the process used less than nine tenths of the CPUs that it may use: a program that fills these waits for itself. So
does one whose threads all wake at once, and it is silent if others and the host took less than a tenth of so many CPUs. In a single look,
of cgroup v2 alone: cpu.pressure of its cgroup says that something in it waited in 20 % of the last minute (critical: 50 %), no level with a
quota was throttled in 1 % of its periods, and GOMAXPROCS, or of other programs the number of threads, is no larger than the CPUs.

Between two looks it names the cgroups that used most meanwhile, as far as they can be seen: those below the reader's own mount, up to 500,
and of cgroup v1 only if its own cgroup is known in the hierarchy that counts CPU time. A service does so from the look after on.

Why it hurts: each wait is latency, and a larger CPU limit or another GOMAXPROCS changes nothing about it.

How to confirm:
  cat /sys/fs/cgroup/cpu.pressure /proc/pressure/cpu 2>/dev/null                                  # some avg60: share of the time
  for wait in 10 0; do awk '/^cpu / {print $2+$3+$4, $9}' /proc/stat; sleep $wait; done          # busy and stolen ticks

What to do: if the CPUs are busy: a larger CPU request (which sets cpu.weight, cpu.shares on v1), or fewer neighbours on this machine. If
time is stolen, the host of this virtual machine is overcommitted: another machine.

Sources: Linux Documentation/accounting/psi.rst; Documentation/scheduler/sched-stats.rst (schedstat); proc_stat(5) (steal).
"""

from __future__ import annotations

from cgtune.model import Finding
from cgtune.numbers import format_cpus
from cgtune.rules.case import act

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.model import Rates, Severity
    from cgtune.rules.case import Case

ID = "cpu-contended"
SEVERITY: Severity = "warning"
SUMMARY = "its threads wait for a CPU though no quota of theirs stops them"

_SCALE: tuple[tuple[float, Severity], ...] = ((50.0, "critical"), (20.0, "warning"))
_LEAST_WANTING = 0.1  # threads: a program that hardly runs waits for nobody
_FULL = 0.9  # of the CPUs that it may use
_ALONE = 0.1  # of the CPUs that it may use: so little of others makes nobody wait for a fifth of the time
_STOLEN = 0.05  # of the machine's CPUs
_LEAST_THROTTLED_PERCENT = 1.0


def judge(case: Case) -> Finding | None:
    """Waiting that no quota explains, between two looks or in the last minute."""
    rates = case.snapshot.rates
    if rates is None:
        return _judge_pressure(case)
    waiting, used = rates.waiting_threads, rates.used_cores
    if waiting is None or used is None or not rates.seconds or waiting + used < _LEAST_WANTING:
        return None
    room = float(case.usable) if case.limit_cores is None else min(case.limit_cores, case.usable)
    percent = 100 * waiting / (waiting + used) - _stopped_percent(rates)
    severity = next((name for least, name in _SCALE if percent >= least), None)
    if severity is None or used >= _FULL * room or _is_alone(case, rates):
        return None
    neighbours = _find_neighbours(case, rates)
    return Finding(
        rule=ID,
        severity=severity,
        summary=f"its threads waited for a CPU in {percent:.0f} % of the time in which they wanted to run; no quota explains that",
        evidence=(
            f"/proc/{case.pid}/task/*/schedstat: {waiting:.2f} threads waited at once, {used:.2f} CPUs were used, in {rates.seconds:.0f} s",
            *_machine_words(case, rates),
            *_neighbour_words(rates, neighbours),
            case.quota_words,
            *([case.weight_words] if case.weight_words else []),
        ),
        advice=(act(_advice(case, rates, neighbours)),),
        harm="now",
    )


def _judge_pressure(case: Case) -> Finding | None:
    """In a single look the kernel's own share of the last minute, if no quota and no surplus of threads can be behind it."""
    pressure = case.snapshot.cpu_pressure
    if any(level.version == 1 for level in case.snapshot.cpu_chain):
        return None  # on a hybrid machine the v2 cgroup with the pressure may hold whatever runs there
    if pressure is None or pressure.scope != "cgroup" or pressure.some is None or _threads_at_once(case) > case.usable:
        return None
    percent = pressure.some.avg60_percent
    severity = next((name for least, name in _SCALE if percent >= least), None)
    counted = [level.throttling for level in case.report.counted_levels if level.throttling is not None]
    if severity is None or any(one.throttled_periods * 100 >= one.periods * _LEAST_THROTTLED_PERCENT for one in counted if one.periods):
        return None
    return Finding(
        rule=ID,
        severity=severity,
        summary=f"something in its cgroup waited for a CPU in {percent:.0f} % of the last minute; no quota explains that",
        evidence=(f"{pressure.file}: some avg60={percent:g}", case.quota_words, *([case.weight_words] if case.weight_words else [])),
        advice=(act("a larger CPU request, which sets its weight, or fewer neighbours; --window 10 tells how busy the CPUs are"),),
        harm="now",
    )


def _threads_at_once(case: Case) -> int:
    """How many of its threads may want a CPU at once: GOMAXPROCS, or all of a program that is not Go; 0: not known."""
    used = case.snapshot.used
    return case.procs_count or (used.threads if used is not None and case.facts is None else 0)


def _is_alone(case: Case, rates: Rates) -> bool:
    """Whether hardly anything but this process was at work: then its threads waited for each other."""
    machine = rates.machine
    if machine is None or machine.busy_cores is None:
        return False
    return machine.busy_cores - (rates.used_cores or 0.0) + (machine.steal_cores or 0.0) < _ALONE * case.usable


def _stopped_percent(rates: Rates) -> float:
    """How much of the time a quota may have stopped it, at the most: as if on one CPU after the other."""
    stopped = [rate.throttling.throttled_seconds for rate in rates.cpu if rate.throttling is not None]
    return min(100.0, 100 * sum(stopped) / (rates.seconds or 1))


def _machine_words(case: Case, rates: Rates) -> tuple[str, ...]:
    machine = rates.machine
    if machine is None or machine.busy_cores is None:
        return ()
    stolen = f", {machine.steal_cores:.2f} were stolen by the host" if machine.steal_cores else ""
    others = max(0.0, machine.busy_cores - (rates.used_cores or 0))
    return (
        f"/proc/stat: {machine.busy_cores:.2f} of {len(case.snapshot.machine.online)} CPUs were busy, {others:.2f} with others{stolen}",
    )


def _find_neighbours(case: Case, rates: Rates) -> tuple[tuple[str, float], ...]:
    """The cgroups beside its own that used most, with their CPUs; none if its own cannot be told from them."""
    chain = case.snapshot.cpu_chain
    # On v1 another hierarchy may count the time: its cgroup there is known if it has the same path
    if rates.machine is None or not chain or chain[0].usage_seconds is None:
        return ()
    own = {level.path for level in chain}
    return tuple((path, cores) for path, cores in rates.machine.busiest.cgroups if path not in own)


def _neighbour_words(rates: Rates, neighbours: tuple[tuple[str, float], ...]) -> tuple[str, ...]:
    if not neighbours or rates.machine is None:
        return ()
    named = ", ".join(f"{path} {cores:.2f}" for path, cores in neighbours)
    return (f"used most beside it in {rates.machine.busiest.seconds:.0f} s, of the cgroups that can be seen: {named}",)


def _advice(case: Case, rates: Rates, neighbours: tuple[tuple[str, float], ...]) -> str:
    machine, online = rates.machine, len(case.snapshot.machine.online)
    if machine is not None and machine.steal_cores is not None and machine.steal_cores >= _STOLEN * online:
        return f"the host takes {format_cpus(round(machine.steal_cores, 1))} away from this virtual machine: move it, or the program"
    used, seen = rates.used_cores or 0.0, sum(cores for _, cores in neighbours)
    counted = None if machine is None else machine.busy_cores
    busy = max(counted or 0.0, used + seen)
    if busy >= _FULL * online:
        is_told = neighbours and seen >= (busy - used) / 2  # else who uses most is not seen
        named = f", most with {neighbours[0][0].rpartition('/')[2]}" if is_told else ""
        return f"the CPUs are busy with others{named}: a larger CPU request, which sets its weight, or fewer neighbours on this machine"
    if counted is None:
        return "a larger CPU request, which sets its weight, or fewer neighbours: how busy the machine's CPUs were could not be seen"
    return "the machine's CPUs were not all busy: look at its cpuset and affinity, at its weight, and at short bursts of its neighbours"
