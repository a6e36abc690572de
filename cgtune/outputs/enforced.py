"""What the table says of the first witness: how many CPUs, how many bytes, and which file says so."""

from __future__ import annotations

from cgtune.numbers import format_cpus
from cgtune.outputs.escape import escape_control
from cgtune.outputs.words import format_bytes, format_cpu_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import ProcessReport
    from cgtune.outputs.layout import Sheet


def cpu_lines(sheet: Sheet, report: ProcessReport) -> Iterator[str]:
    """The CPU limit that holds, and the file that has it."""
    limits = report.limits.cpu
    usable = len(limits.usable)
    if limits.limit_cores is None or limits.binding is None or limits.binding.bandwidth is None:
        seen = (bool(report.snapshot.cpu_chain) or limits.unsupported is not None) and not report.unread_quotas
        unseen = "a quota cannot be read" if report.unread_quotas else "no CPU controller can be seen"
        why = "no quota in any cgroup that can be seen" if seen else unseen
        verdict = sheet.style("strong", f"{'at most ' * (not seen)}{usable} CPU{'s' * (usable != 1)}")
        yield from sheet.wrapped("CPU", f"{verdict}, {why}")
        if limits.unsupported is not None:
            yield from sheet.wrapped("", f"{limits.unsupported}: there can be none")
        elif seen and limits.unseen is not None:
            yield from sheet.wrapped("", escape_control(f"{limits.unseen}, nor can their quotas"))
        return
    bandwidth, directory = limits.binding.bandwidth, escape_control(limits.binding.directory)
    verdict = sheet.style("strong", format_cpus(min(limits.limit_cores, usable)))
    if limits.binding.said_by is not None:
        hidden = f"for all of the {escape_control(limits.binding.path)}, whose cgroup is hidden"
        yield from sheet.wrapped("CPU", f"{verdict} of {usable} usable: {hidden}, says {escape_control(limits.binding.quota_file)}")
        return
    yield from sheet.wrapped("CPU", f"{verdict} of {usable} usable: {bandwidth.quota_us} of every {bandwidth.period_us} µs, says")
    yield sheet.labelled("", escape_control(limits.binding.quota_file))
    if limits.binding.burst_us:
        yield from sheet.wrapped("", f"after a rest {limits.binding.burst_us} µs more at once, says")
        yield sheet.labelled("", f"{directory}/{'cpu.max.burst' if limits.binding.version == 2 else 'cpu.cfs_burst_us'}")


def memory_lines(sheet: Sheet, report: ProcessReport) -> Iterator[str]:
    """The memory limit that holds, and the file that has it; then those that slow down, and those of swap."""
    limits, machine = report.limits.memory, report.snapshot.machine
    if limits.limit_bytes is None:
        yield from _unlimited_lines(sheet, report)
    else:
        yield from sheet.wrapped("memory", sheet.style("strong", format_bytes(limits.limit_bytes)) + f": {limits.limit_bytes} bytes, says")
        file = escape_control(limits.limit_from or "")
        yield from (sheet.labelled("", file),) if file.startswith("/") else sheet.wrapped("", file)
        if machine.memory_bytes is not None and limits.limit_bytes > machine.memory_bytes:
            yield from sheet.wrapped("", f"more than the machine has: {format_bytes(machine.memory_bytes)} is what there is")
    if limits.high_bytes is not None and limits.high_binding is not None and not _is_out_of_reach(report):
        slowed = sheet.style("strong", f"slowed down from {format_bytes(limits.high_bytes)}")
        yield from sheet.wrapped("", f"{slowed}: {limits.high_bytes} bytes, says")
        yield sheet.labelled("", f"{escape_control(limits.high_binding.directory)}/memory.high")
    if limits.memsw_bytes is not None and machine.swap_bytes:
        yield sheet.labelled("", f"memory and swap together up to {format_bytes(limits.memsw_bytes)}")
    elif limits.swap_bytes is not None and machine.swap_bytes:
        yield sheet.labelled("", f"swap up to {format_bytes(limits.swap_bytes)}")


def usable_lines(sheet: Sheet, report: ProcessReport) -> Iterator[str]:
    """Which CPUs it may run on, and what takes the others away; nothing if that is all that are online, unless all is to be said."""
    limits, snapshot = report.limits.cpu, report.snapshot
    if limits.usable == snapshot.machine.online and not sheet.layout.verbose:
        return
    parts = [f"online {format_cpu_list(snapshot.machine.online)}"]
    if limits.cpuset is not None:
        parts.append(f"cpuset {format_cpu_list(limits.cpuset.cpus)}")
    parts.append(f"affinity {format_cpu_list(snapshot.process.affinity)}")
    yield from sheet.wrapped("usable", f"CPU {format_cpu_list(limits.usable) or 'none'}: " + ", ".join(parts))


def _unlimited_lines(sheet: Sheet, report: ProcessReport) -> Iterator[str]:
    limits, machine = report.limits.memory, report.snapshot.machine
    seen = (bool(report.snapshot.memory_chain) or limits.unsupported is not None) and not report.unread_memory_limits
    unseen = "a limit cannot be read" if report.unread_memory_limits else "no memory controller can be seen"
    why = "no limit in any visible cgroup" if seen else unseen
    if seen and limits.node_bytes is not None:
        why = f"for {format_bytes(limits.node_bytes)} is the node's limit:"
    if machine.memory_bytes is None:
        yield from sheet.wrapped("memory", f"{why}, the machine's memory is not known")
    else:
        whole = f"{'all of' if seen else 'at most'} the machine's {format_bytes(machine.memory_bytes)}"
        yield from sheet.wrapped("memory", sheet.style("strong", whole) + f", {why}")
    if seen and limits.node_from is not None:
        yield sheet.labelled("", escape_control(limits.node_from))
    if limits.unsupported is not None:
        yield from sheet.wrapped("", f"{limits.unsupported}: there can be none")
    elif seen and limits.unseen is not None:
        yield from sheet.wrapped("", escape_control(f"{limits.unseen}, nor can their limits"))


def _is_out_of_reach(report: ProcessReport) -> bool:
    """Whether the limit keeps the cgroup that has the least memory.high below it: its own, or an ancestor's."""
    limits, chain = report.limits.memory, report.snapshot.memory_chain
    if limits.limit_bytes is None or limits.binding is None or limits.high_bytes is None or limits.high_binding is None:
        return False
    return limits.high_bytes >= limits.limit_bytes and chain.index(limits.binding) >= chain.index(limits.high_binding)
