"""The report for a person at 3 a.m., on 80 columns: the verdict first, then the chain, then use, then what could not be seen."""

from __future__ import annotations

from cgtune.numbers import format_cores, format_cpus
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import (
    HARMS,
    KINDS,
    format_bytes,
    format_cpu_list,
    format_kills,
    format_live,
    format_parts,
    format_setting,
    machinery_words,
    note_words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cgtune.model import (
        ByteLimit,
        CpuLevel,
        Finding,
        GoFacts,
        Kind,
        MemoryLevel,
        MemoryLimits,
        Note,
        Off,
        Pressure,
        ProcessReport,
        Recommendation,
        Report,
        Snapshot,
    )

    Style = Callable[[str, str], str]

_STYLES = {"strong": "\x1b[1m", "alarm": "\x1b[1;31m", "faint": "\x1b[2m"}
_SEVERITY_STYLES = {"critical": "alarm", "warning": "alarm", "info": "strong"}
_WIDTH = 80
_NAME_WIDTH = 26
_LABEL_WIDTH = 11

_CPU_COLUMNS = {2: ("quota/period µs", "cores", "weight", "throttled"), 1: ("quota/period µs", "cores", "shares", "throttled")}
#: v1 limits memory and swap together; v2 swap alone.
_MEMORY_COLUMNS = {2: ("limit", "high", "swap", "in use"), 1: ("limit", "high", "mem+swap", "in use")}

#: Nothing there: the kernel has no such file in this cgroup. "max" is what the kernel itself says where nothing limits.
_NO_FILE, _NO_LIMIT = "-", "max"


def render_table(report: Report, *, colour: bool = False, verbose: bool = False) -> str:
    """The whole report as text that ends in a newline; ``colour`` adds terminal codes and changes nothing else.

    ``verbose`` adds the steps by which each value was derived.
    """

    def style(name: str, text: str) -> str:
        return f"{_STYLES[name]}{text}\x1b[0m" if colour else text

    machine = report.machine
    memory = format_bytes(machine.memory_bytes) if machine.memory_bytes is not None else "memory unknown"
    online = "1 CPU" if len(machine.online) == 1 else f"{len(machine.online)} CPUs"
    facts = f"{online}, {memory}, cgroup {machine.cgroup_mode}, Linux {escape_control(machine.kernel or 'unknown')}"
    lines = [style("faint", f"cgtune {report.version}, {report.time}"), *(style("faint", line.strip()) for line in wrapped("", facts))]
    for process in sorted(report.processes, key=_urgency):
        lines.append("")
        lines.extend(_process_lines(process, style, verbose=verbose))
    for note in report.notes:
        lines += ["", *wrapped("not seen", _note_text(note))]
    if report.machinery:
        lines += ["", *wrapped("", machinery_words(report.machinery))]
    return "\n".join(lines) + "\n"


def is_set_without_advice(report: ProcessReport, recommendation: Recommendation) -> bool:
    """Whether its environment has the variable and nothing better is known: not to recommend a value is no reason to take away this one."""
    name = recommendation.name
    advised = any(advice.variable == name for finding in report.findings for advice in finding.advice)
    ignored = any(name in facts.derived.ignored or facts.derived.dies for facts in report.snapshot.go)
    return recommendation.value is None and bool(_present(report, name)) and not advised and not ignored


def _present(report: ProcessReport, name: str) -> str:
    return (report.snapshot.go[0].derived.variable(name) or "") if report.snapshot.go else ""


def _urgency(report: ProcessReport) -> tuple[object, ...]:
    """Go programs before others, cgtune itself last; among them those with the worst findings first, else in the order given."""
    worst = min((finding.urgency for finding in report.findings), default=(len(HARMS), 0))
    return report.snapshot.process.is_self, not report.snapshot.go, worst


def _process_lines(report: ProcessReport, style: Style, *, verbose: bool) -> Iterator[str]:
    process, container = report.snapshot.process, report.snapshot.container
    yield style(
        "strong", f"{process.pid} {escape_control(process.command)}" + (" (cgtune itself, for this container)" if process.is_self else "")
    )
    for finding in report.findings:
        yield from _finding_lines(finding, style)
    yield from _paste_lines(report, style, verbose=verbose)
    yield from _cpu_verdict(report, style)
    yield from _memory_verdict(report, style)
    for facts in report.snapshot.go:
        yield from _go_lines(facts, style, verbose=verbose)
    if not report.snapshot.go and report.snapshot.kind is not None and not process.is_self:
        yield _labelled("runtime", _other_words(report.snapshot.kind))
    yield from wrapped("usable", _usable_text(report))
    if process.executable:
        yield _labelled("program", escape_control(process.executable))
    if container.id or container.pod_uid or container.name:
        pod = "/".join(name for name in (container.pod_namespace, container.pod_name) if name) or container.pod_uid
        names = (container.runtime, container.name, container.id and container.id[:12], container.pod_uid and f"pod {pod}")
        yield _labelled("container", escape_control(" ".join(name for name in names if name)))
    for version in sorted({level.version for level in report.snapshot.cpu_chain}):
        yield from _chain("CPU, leaf first", _CPU_COLUMNS[version], [_cpu_row(level) for level in report.snapshot.cpu_chain])
    for version in sorted({level.version for level in report.snapshot.memory_chain}):
        yield from _chain("memory, leaf first", _MEMORY_COLUMNS[version], [_memory_row(level) for level in report.snapshot.memory_chain])
    yield ""
    yield from _use_lines(report, style)
    for index, note in enumerate(report.notes):
        yield from wrapped("" if index else "not seen", _note_text(note))


def _finding_lines(finding: Finding, style: Style) -> Iterator[str]:
    # The colour is put on last: its codes would count as width.
    felt = f"{HARMS[finding.harm]}: " if HARMS[finding.harm] else ""
    first, *rest = wrapped(finding.severity, f"{felt}{escape_control(finding.summary)} ({finding.rule})")
    yield style(_SEVERITY_STYLES[finding.severity], first)
    yield from rest
    for line in finding.evidence:
        yield from wrapped("", escape_control(line), "- ")
    for advice in finding.advice:
        if advice.variable is None:
            act = ""
        else:
            act = f"unset {advice.variable}: " if advice.value is None else f"{advice.variable}={escape_control(advice.value)}: "
        yield from wrapped("", f"{act}{escape_control(advice.reason)}", "> ")


def _paste_lines(report: ProcessReport, style: Style, *, verbose: bool) -> Iterator[str]:
    """The recommended environment, as a shell takes it; a variable that is best left alone is said to be so."""
    label = "set"
    for recommendation in report.recommendations:
        name = recommendation.name
        if recommendation.overruled:
            text = f"{name}: {format_setting(recommendation)}, in the program, which overrules the variable"
        elif recommendation.set:
            text = style("strong", f"export {name}={format_setting(recommendation)}")
        elif is_set_without_advice(report, recommendation):
            text = f"{name}: no value is recommended, leave it as it is"
        elif _present(report, name):
            text = style("strong", f"unset {name}")
        else:
            text = f"{name}: leave it unset"
        yield _labelled(label, text)
        for reason in recommendation.because if verbose else ():
            yield from wrapped("", escape_control(reason), "- ")
        label = ""


def _cpu_verdict(report: ProcessReport, style: Style) -> Iterator[str]:
    limits = report.limits.cpu
    usable = len(limits.usable)
    if limits.limit_cores is None or limits.binding is None or limits.binding.bandwidth is None:
        seen = (bool(report.snapshot.cpu_chain) or limits.unsupported is not None) and not report.unread_quotas
        unseen = "a quota cannot be read" if report.unread_quotas else "no CPU controller can be seen"
        why = "no quota in any cgroup that can be seen" if seen else unseen
        yield _labelled("CPU", style("strong", f"{'at most ' * (not seen)}{usable} CPU{'s' * (usable != 1)}") + f", {why}")
        if limits.unsupported is not None:
            yield from wrapped("", f"{limits.unsupported}: there can be none")
        elif seen and limits.unseen is not None:
            yield from wrapped("", escape_control(f"{limits.unseen}, nor can their quotas"))
        return
    bandwidth, directory = limits.binding.bandwidth, escape_control(limits.binding.directory)
    verdict = style("strong", format_cpus(min(limits.limit_cores, usable)))
    yield _labelled("CPU", f"{verdict} of {usable} usable: {bandwidth.quota_us} of every {bandwidth.period_us} µs, says")
    yield _labelled("", f"{directory}/{'cpu.max' if limits.binding.version == 2 else 'cpu.cfs_quota_us'}")
    if limits.binding.burst_us:
        yield _labelled("", f"after a rest {limits.binding.burst_us} µs more at once, says")
        yield _labelled("", f"{directory}/{'cpu.max.burst' if limits.binding.version == 2 else 'cpu.cfs_burst_us'}")


def _other_words(kind: Kind) -> str:
    """What a process is that holds no Go runtime."""
    if kind == "other":
        return "no Go program"
    return "a program for another processor, under an emulator; no Go program" if kind == "emulated" else f"{KINDS[kind]}, no Go program"


def _go_lines(facts: GoFacts, style: Style, *, verbose: bool) -> Iterator[str]:
    what = facts.program.name + (f", {facts.program.main_module}" if facts.program.main_module else "")
    if facts.program.emulator is not None:
        what += f", under {facts.program.emulator}"
    if facts.derived.aware is False:
        what += ", does not look at its CPU quota"
    yield _labelled("runtime", escape_control(what))
    for setting in facts.settings:
        observed = "unknown" if setting.observed is None else format_value(setting.name, setting.observed)
        derived = "unknown" if setting.derived is None else format_value(setting.name, setting.derived)
        read_from = f" (read from {setting.observed_from})" if setting.observed_from else ""
        yield _labelled(setting.name, style("strong", f"now {observed}") + f"{read_from}, derived {derived}")
        for step in setting.because if verbose else ():
            yield from wrapped("", escape_control(step), "- ")
    for label, text in format_live(facts.observed):
        yield from wrapped(label, text)
    if facts.derived.dies:
        yield from wrapped("", style("alarm", f"dies at its next start: {escape_control(facts.derived.dies)}"))


def format_value(name: str, value: int | Off) -> str:
    """A setting's value for people, short: GOMEMLIMIT in the largest unit in which it is exact; the others as they are."""
    if name != "GOMEMLIMIT" or value == "off":
        return str(value)
    if "." not in format_bytes(value):
        return format_bytes(value)
    return f"{value >> 20} MiB" if value % (1 << 20) == 0 else f"{value} B"


def _usable_text(report: ProcessReport) -> str:
    limits, snapshot = report.limits.cpu, report.snapshot
    parts = [f"online {format_cpu_list(snapshot.machine.online)}"]
    if limits.cpuset is not None:
        parts.append(f"cpuset {format_cpu_list(limits.cpuset.cpus)}")
    parts.append(f"affinity {format_cpu_list(snapshot.process.affinity)}")
    return f"CPU {format_cpu_list(limits.usable) or 'none'}: " + ", ".join(parts)


def _memory_verdict(report: ProcessReport, style: Style) -> Iterator[str]:
    limits, machine = report.limits.memory, report.snapshot.machine
    if limits.limit_bytes is None:
        seen = (bool(report.snapshot.memory_chain) or limits.unsupported is not None) and not report.unread_memory_limits
        unseen = "a limit cannot be read" if report.unread_memory_limits else "no memory controller can be seen"
        why = "no limit in any visible cgroup" if seen else unseen
        if seen and limits.node_bytes is not None:
            why = f"for {format_bytes(limits.node_bytes)} is the node's limit:"
        if machine.memory_bytes is None:
            yield from wrapped("memory", f"{why}, the machine's memory is not known")
        else:
            whole = f"{'all of' if seen else 'at most'} the machine's {format_bytes(machine.memory_bytes)}"
            yield _labelled("memory", style("strong", whole) + f", {why}")
        if seen and limits.node_from is not None:
            yield _labelled("", escape_control(limits.node_from))
        if limits.unsupported is not None:
            yield from wrapped("", f"{limits.unsupported}: there can be none")
        elif seen and limits.unseen is not None:
            yield from wrapped("", escape_control(f"{limits.unseen}, nor can their limits"))
    else:
        yield _labelled("memory", style("strong", format_bytes(limits.limit_bytes)) + f": {limits.limit_bytes} bytes, says")
        yield _labelled("", escape_control(limits.limit_from or ""))
        if machine.memory_bytes is not None and limits.limit_bytes > machine.memory_bytes:
            yield _labelled("", f"more than the machine has: {format_bytes(machine.memory_bytes)} is what there is")
    if limits.high_bytes is not None and limits.high_binding is not None and not _is_out_of_reach(report):
        yield _labelled("", style("strong", f"slowed down from {format_bytes(limits.high_bytes)}") + f": {limits.high_bytes} bytes, says")
        yield _labelled("", f"{escape_control(limits.high_binding.directory)}/memory.high")
    if limits.memsw_bytes is not None and machine.swap_bytes:
        yield _labelled("", f"memory and swap together up to {format_bytes(limits.memsw_bytes)}")
    elif limits.swap_bytes is not None and machine.swap_bytes:
        yield _labelled("", f"swap up to {format_bytes(limits.swap_bytes)}")


def _is_out_of_reach(report: ProcessReport) -> bool:
    """Whether the limit keeps the cgroup that has the least memory.high below it: its own, or an ancestor's."""
    limits, chain = report.limits.memory, report.snapshot.memory_chain
    if limits.limit_bytes is None or limits.binding is None or limits.high_bytes is None or limits.high_binding is None:
        return False
    return limits.high_bytes >= limits.limit_bytes and chain.index(limits.binding) >= chain.index(limits.high_binding)


def _cpu_row(level: CpuLevel) -> list[str]:
    bandwidth, throttling = level.bandwidth, level.throttling
    quota = _NO_FILE if bandwidth is None else f"{_NO_LIMIT if bandwidth.quota_us is None else bandwidth.quota_us}/{bandwidth.period_us}"
    cores = _NO_FILE if bandwidth is None else _NO_LIMIT if bandwidth.limit_cores is None else format_cores(bandwidth.limit_cores)
    quota += f" +{level.burst_us}" if level.burst_us else ""
    weight = str(level.weight) if level.weight is not None else str(level.shares) if level.shares is not None else _NO_FILE
    weight = "idle" if level.idle else weight
    return [_name(level.path), quota, cores, weight, f"{throttling.throttled_periods}/{throttling.periods}" if throttling else _NO_FILE]


def _memory_row(level: MemoryLevel) -> list[str]:
    used = level.current_bytes if level.used_bytes is None else level.used_bytes
    current = _NO_FILE if used is None else format_bytes(used)
    return [_name(level.path), _limit(level.limit), _limit(level.high), _limit(level.swap if level.version == 2 else level.memsw), current]


def _use_lines(report: ProcessReport, style: Style) -> Iterator[str]:
    snapshot, level = report.snapshot, report.throttled_level
    label = "use"
    if level is not None and level.throttling is not None:
        counters = level.throttling
        share = f" ({100 * counters.throttled_periods / counters.periods:.1f} %)" if counters.periods else ""
        text = f"throttled in {counters.throttled_periods} of {counters.periods} periods{share}, {counters.throttled_seconds:.1f} s in all"
        yield _labelled(label, style("alarm", text) if counters.throttled_periods else text)
        label = ""
        if counters.bursts:
            yield _labelled("", f"saved-up quota used in {counters.bursts} periods, {counters.burst_seconds or 0:.1f} s in all")
    for pressure, what in ((snapshot.cpu_pressure, "CPU"), (snapshot.memory_pressure, "memory")):
        if pressure is not None:
            yield from wrapped(label, _pressure_text(pressure, what))
            label = ""
    if snapshot.charged_level is not None and snapshot.charged_level.current_bytes is not None:
        yield from wrapped(label, _memory_text(snapshot, snapshot.charged_level, report.limits.memory))
        label = ""
        if snapshot.charged_level.parts is not None and (parts := format_parts(snapshot.charged_level.parts)):
            yield from wrapped("", f"of which {parts}")
    if report.limits.cpu.unbound is not None:
        yield from wrapped(label, escape_control(report.limits.cpu.unbound))
        label = ""
    if snapshot.oom_kills is not None:
        for text in _kills_texts(snapshot, snapshot.oom_kills):
            for line in wrapped(label, text):
                yield line if text == "OOM kills 0" else style("alarm", line)
            label = ""


def _kills_texts(snapshot: Snapshot, kills: int) -> Iterator[str]:
    """The counters of its own cgroup, then of the cgroups above that have further kills."""
    yield format_kills(kills, snapshot.oom_group_kills)
    for level in snapshot.killed_levels:
        events = level.counted_events
        if level != snapshot.charged_level and events is not None and events.oom_kill is not None:
            yield f"{format_kills(events.oom_kill, events.oom_group_kill)} in {_name(level.path)}"


def _memory_text(snapshot: Snapshot, charged: MemoryLevel, limits: MemoryLimits) -> str:
    """What is in use, and how much of the limit that is: of the cgroup that binds, which its other children fill as well.

    What can be given back is no use of the limit, and is told apart.
    """
    binding, text = limits.binding, f"memory {_used_text(charged)}"
    text += "" if charged == snapshot.memory_chain[0] else f" in {_name(charged.path)}"
    used = None if binding is None else binding.current_bytes if binding.used_bytes is None else binding.used_bytes
    if binding is not None and used is not None and limits.limit_bytes:
        share = f"({100 * used / limits.limit_bytes:.1f} % of the limit)"
        text += (
            f" {share}"
            if binding == charged
            else f"; {_used_text(binding).removesuffix(' in use')} in all of {_name(binding.path)} {share}"
        )
    if charged.reclaimable_bytes:
        text += f"; {format_bytes(charged.reclaimable_bytes)} more can be given back"
    return text


def _used_text(level: MemoryLevel) -> str:
    if level.used_bytes is None:
        return f"{format_bytes(level.current_bytes or 0)} charged"
    return f"{format_bytes(level.used_bytes)} in use"


def _pressure_text(pressure: Pressure, what: str) -> str:
    stall = pressure.some or pressure.full
    scope = "" if pressure.scope == "cgroup" else " on the whole machine"
    if stall is None:
        return f"{what} pressure unknown"
    return f"{what} pressure{scope} {stall.avg10_percent} % of 10 s, {stall.avg60_percent} % of 60 s, {stall.avg300_percent} % of 300 s"


def _chain(title: str, columns: tuple[str, ...], rows: list[list[str]]) -> Iterator[str]:
    from tabulate import tabulate

    if rows:
        align = ["left"] + ["right"] * len(columns)
        yield ""
        text = tabulate(rows, headers=[title, *columns], tablefmt="plain", colalign=align, disable_numparse=True)
        yield from (f"  {line}".rstrip() for line in text.splitlines())


def _note_text(note: Note) -> str:
    return escape_control(f"{note.path}: {note_words(note)}")


def _limit(limit: ByteLimit | None) -> str:
    return _NO_FILE if limit is None else _NO_LIMIT if limit.limit_bytes is None else format_bytes(limit.limit_bytes)


def _name(path: str) -> str:
    """The last part of a cgroup's path, its middle cut out where it is long: both ends of a name say what it is."""
    name = escape_control(path.rpartition("/")[2] or "/")
    return name if len(name) <= _NAME_WIDTH else f"{name[:12]}..{name[-12:]}"


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}}{text}"


def wrapped(label: str, text: str, mark: str = "") -> Iterator[str]:
    """A label and its text, on as many lines as it takes; ``mark`` stands before the text, and the text's further lines below it."""
    line, room = "", _WIDTH - _LABEL_WIDTH - 2 - len(mark)
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > room:
            yield _labelled(label, mark + line)
            label, line, mark = "", word, " " * len(mark)
        else:
            line = f"{line} {word}" if line else word
    yield _labelled(label, mark + line)
