"""What was used, in words and as JSON: between two looks, or in all since the start."""

from __future__ import annotations

from cgtune.numbers import format_cores, format_cpus
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import format_kills, mean_cores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import CpuRate, Level, MachineRate, ProcessReport, Rates

    Json = dict[str, object]

#: What is less than that is not worth a word: a share in percent, CPUs.
_LEAST_PERCENT, _LEAST_CORES = 1.0, 0.01


def used_texts(report: ProcessReport) -> Iterator[tuple[str, bool]]:
    """What to say of it, each text with whether it hurts."""
    rates, used = report.snapshot.rates, report.snapshot.used
    if rates is not None and rates.seconds:
        yield from _window_texts(report, rates, rates.seconds)
    elif used is not None:
        mean = mean_cores(report)
        text = f"CPU time {used.cpu_seconds:.1f} s since its start"
        text += "" if mean is None else f", {_cores(mean)} CPU{'s' * (_cores(mean) != '1')} on average"
        if used.wait_seconds:
            text += f"; its threads waited {used.wait_seconds:.1f} s for a CPU"
        yield text, False


def _window_texts(report: ProcessReport, rates: Rates, seconds: float) -> Iterator[tuple[str, bool]]:
    cores, limit = report.used_cores(rates), report.limits.cpu.limit_cores
    words = []
    if cores is not None:
        of = "CPUs" if limit is None else f"of {format_cpus(limit)}"
        words.append(f"used {_cores(cores)} {of} over {format_window(seconds)}")
        if limit is not None and rates.used_cores is not None and cores - rates.used_cores > max(_LEAST_CORES, cores / 20):
            words.append(f"{_cores(rates.used_cores)} of that by this process")
    elif rates.used_cores is not None:  # v1 counts elsewhere than it limits: in the hierarchy of cpuacct
        words.append(f"{_alone(rates.used_cores)} (all under its quota: not known) over {format_window(seconds)}")
    throttled = throttled_percent(report)
    words += [f"throttled in {_percent(throttled)} of the periods"] if throttled else []
    own = next(iter(report.snapshot.pressure_chain), None)
    waited = rates.pressure_of(own) if own is not None and own.is_of_cgroup else None
    for what, share in (("CPU", waited and waited.cpu_some_percent), ("memory", waited and waited.memory_some_percent)):
        words += [f"{what} pressure {_percent(share)}"] if share and share >= _LEAST_PERCENT else []
    if rates.waiting_percent is not None and rates.waiting_percent >= _LEAST_PERCENT:
        words.append(f"its threads waited {_percent(rates.waiting_percent)} of the time that they could run")
    if rates.collections and rates.gc_cpu_percent is not None:
        words.append(f"{rates.collections} collections, which took {_percent(rates.gc_cpu_percent)} of the CPU time under GOMAXPROCS")
    if words:
        yield ", ".join(words), bool(throttled)
    for level in report.snapshot.levels_killed_in_window:
        rate = rates.memory_of(level)
        if rate is not None and rate.oom_kills:
            yield f"{format_kills(rate.oom_kills, None)} in {format_window(seconds)}, in {escape_control(level.path)}", True
    machine = rates.machine
    if machine is not None and machine.busy_cores is not None:
        text = f"machine: {_cores(machine.busy_cores)} of {format_cpus(len(report.snapshot.machine.online))} busy"
        if machine.steal_cores is not None and machine.steal_cores >= _LEAST_CORES:
            text += f", {_cores(machine.steal_cores)} taken by its host"
        text += f", CPU pressure {_percent(machine.cpu_some_percent)}" if machine.cpu_some_percent is not None else ""
        yield text, False


def window_words(report: ProcessReport) -> str:
    """The two numbers that a window is asked for: CPUs used, and stops; empty if it was looked at once."""
    rates = report.snapshot.rates
    cores = None if rates is None else report.used_cores(rates)
    if rates is None or rates.seconds is None or (cores is None and rates.used_cores is None):
        return ""
    throttled = throttled_percent(report)
    stopped = f", throttled in {_percent(throttled)} of the periods" if throttled else ""
    used = f"used {_cores(cores)} CPUs" if cores is not None else _alone(rates.used_cores or 0.0)
    return f"{used}{stopped} over {format_window(rates.seconds)}"


def _alone(cores: float) -> str:
    """What the process used, if nobody knows what all under its quota did."""
    return f"this process used {_cores(cores)} CPUs"


def throttled_percent(report: ProcessReport) -> float | None:
    """The largest share of throttled periods between two looks, of the levels with a quota; None if nothing counts them."""
    rates = report.snapshot.rates
    found = [] if rates is None else [rates.cpu_of(level) for level in report.counted_levels]
    return max((share for rate in found if rate is not None and (share := rate.throttled_percent) is not None), default=None)


def format_window(seconds: float) -> str:
    """How far two looks were apart: `5 s`, `0.7 s`."""
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f}".removesuffix(".0") + " s"


def _cores(cores: float) -> str:
    return format_cores(round(cores, 2) if cores >= 0.1 else cores)


def _percent(share: float) -> str:
    return f"{share:.0f} %" if share >= 1 else f"{share:.1f} %"


def rates_content(rates: Rates | None) -> Json | None:
    """The rates in a report as JSON."""
    if rates is None:
        return None
    return {
        "seconds": rates.seconds,
        "used_cores": rates.used_cores,
        "waiting_threads": rates.waiting_threads,
        "waiting_percent": _rounded(rates.waiting_percent),
        "major_faults_per_second": rates.major_faults_per_second,
        "collections": rates.collections,
        "gc_cpu_percent": rates.gc_cpu_percent,
        "cpu": [_place(rate) | _cpu_rate(rate) for rate in rates.cpu],
        "pressure": [_place(rate) | _rest(rate) for rate in rates.pressure],
        "memory": [_place(rate) | _rest(rate) for rate in rates.memory],
        "machine": None if rates.machine is None else _machine(rates.machine),
    }


def _machine(machine: MachineRate) -> Json:
    busiest = [{"path": escape_control(path), "used_cores": cores} for path, cores in machine.busiest.cgroups]
    more = {"busiest": busiest, "busiest_seconds": machine.busiest.seconds}
    return {name: value for name, value in machine.items() if name != "busiest"} | more


def _place(rate: Level) -> Json:
    return {"path": escape_control(rate.path), "version": rate.version, "directory": escape_control(rate.directory)}


def _rest(rate: Level) -> Json:
    return {name: value for name, value in rate.items() if name not in ("path", "version", "directory")}


def _cpu_rate(rate: CpuRate) -> Json:
    counters = rate.throttling
    return {
        "seconds": rate.seconds,
        "used_cores": rate.used_cores,
        "periods": None if counters is None else counters.periods,
        "throttled_periods": None if counters is None else counters.throttled_periods,
        "throttled_seconds": None if counters is None else counters.throttled_seconds,
        "throttled_percent": _rounded(rate.throttled_percent),
        "bursts": None if counters is None else counters.bursts,
        "burst_seconds": None if counters is None else counters.burst_seconds,
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
