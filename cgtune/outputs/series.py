"""What is told of each process as series of metrics: names, values and labels, for ``outputs.prometheus`` and for who adds them up.

One convention everywhere: +Inf where nothing limits ("max", "off"), and no series where a value is not known. Of a process with several
Go runtimes the first is shown; the report has them all. Names and labels are listed in docs/serve.md.
"""

from __future__ import annotations

from types import MappingProxyType

from cgtune.cgroups.owners import workload_of
from cgtune.model import NOTE_KINDS, SEVERITIES
from cgtune.outputs.escape import escape_control
from cgtune.outputs.layout import clip
from cgtune.outputs.words import end_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from cgtune.model import CpuLevel, GoFacts, GoObserved, LabelSet, Off, Pressure, ProcessReport, Report, Snapshot, Throttling

    class Sink(Protocol):
        """Takes samples."""

        def add(self, name: str, help_: str, value: float | None, labels: Mapping[str, str] = ..., *, of: str = "", **more: str) -> None:
            """One sample; None is not known; without labels it is of the machine or the service.

            ``of`` is what has the value, if it is not the process: a cgroup's directory or file, which other processes may share. A name
            that ends in _total is a counter.
            """


#: Labels of what is of the machine or the service.
BARE: Mapping[str, str] = MappingProxyType({})

_GO_LABELS = ("id", "go_version", "main_module", "container_aware", "awareness_from", "follows_updates")
_MOST_CHARACTERS = 256  # of one label: names and paths are somebody else's, and every sample repeats them
_UNLIMITED = float("inf")
_STEMS = {"GOMAXPROCS": "cgtune_gomaxprocs_{}", "GOMEMLIMIT": "cgtune_gomemlimit_{}_bytes", "GOGC": "cgtune_gogc_{}_percent"}


def labels_of(snapshot: Snapshot, label_set: LabelSet) -> dict[str, str]:
    """The labels of all series of a process, by the set that was chosen; empty where a name is not known."""
    container = snapshot.container
    labels = {
        "command": snapshot.process.command,
        "namespace": container.pod_namespace or "",
        "container": container.name or "",
        "workload": workload_of(snapshot),
    }
    if label_set != "workload":
        id_ = f"{container.runtime}://{container.id}" if container.id and container.runtime else container.id or ""
        labels |= {"container_id": id_, "uid": container.pod_uid or "", "pod": container.pod_name or ""}
    named = {name: label_text(value) for name, value in labels.items()}
    return {"pid": str(snapshot.process.pid), **named} if label_set == "pid" else named


def is_old_enough(snapshot: Snapshot, least_age_seconds: float) -> bool:
    """Whether a process is shown: one that has lived so long. One whose age is not known is."""
    age = snapshot.process.age_seconds
    return age is None or age >= least_age_seconds


def add_counts(sink: Sink, report: Report) -> None:
    """The samples of the report as a whole."""
    sink.add("cgtune_online_cpus", "CPUs that the machine has switched on.", len(report.machine.online))
    sink.add("cgtune_go_processes", "Go processes in the report.", sum(bool(each.snapshot.go) for each in report.processes))
    counts = dict.fromkeys(reversed(SEVERITIES), 0)
    for process in report.processes:
        for finding in process.findings:
            counts[finding.severity] += 1
    for severity, count in counts.items():
        sink.add("cgtune_findings", "Findings of all processes.", count, severity=severity)
    notes = {*report.notes, *(note for each in report.processes for note in each.notes)}  # those on the machine stand in each process
    for kind in NOTE_KINDS:
        help_ = "Different notes of the report. failed: a file is there, and could not be read."
        sink.add("cgtune_notes", help_, sum(note.kind == kind for note in notes), kind=kind)
    missing = [note.privilege for note in notes if note.privilege is not None]
    for privilege in sorted(set(missing)):
        help_ = "Of these notes, those that this capability would end."
        sink.add("cgtune_missing_privilege_notes", help_, missing.count(privilege), privilege=privilege)


def add_process(sink: Sink, report: ProcessReport, labels: Mapping[str, str]) -> None:
    """All samples of one process."""
    snapshot, limits = report.snapshot, report.limits
    if snapshot.cpu_chain:
        cores, binding = limits.cpu.limit_cores, limits.cpu.binding or snapshot.cpu_chain[0]
        cpus = _UNLIMITED if cores is None else cores
        sink.add("cgtune_cpu_limit_cores", "CPUs that the quotas allow.", cpus, labels, of=binding.directory)
    sink.add("cgtune_cpu_usable_cpus", "CPUs that it may run on.", len(limits.cpu.usable), labels)
    used = snapshot.used
    sink.add("cgtune_cpu_seconds_total", "CPU time that it has used.", None if used is None else used.cpu_seconds, labels)
    started = epoch_seconds(snapshot.process.start_time)
    sink.add("cgtune_process_start_time_seconds", "When it was started, since the epoch.", started, labels)
    if snapshot.memory_chain:
        _add_memory(sink, report, labels)
    # Of one cgroup for good: a counter that jumped to another one's, as the most throttled changes, would look reset.
    level = next(iter(report.counted_levels), None)
    if level is not None and level.throttling is not None:
        _add_quota(sink, level, level.throttling, labels)
    for resource, pressure in (("cpu", snapshot.cpu_pressure), ("memory", snapshot.memory_pressure)):
        _add_pressure(sink, resource, pressure, labels)
    if snapshot.go:
        _add_go(sink, report, snapshot.go[0], labels)
    help_ = "A finding that holds now; cgtune explain tells of its rule. harm: now, earlier or possible."
    for rule, severity, harm in dict.fromkeys((finding.rule, finding.severity, finding.harm) for finding in report.findings):
        sink.add("cgtune_finding", help_, 1, labels, rule=rule, severity=severity, harm=harm)
    help_ = "What hurts now, by the rule that tells it and the finding that is its cause."
    hurts = {(rule, finding.rule): finding.severity for finding in reversed(report.findings) for rule in finding.hurts}
    for (rule, cause), severity in hurts.items():
        sink.add("cgtune_harm", help_, 1, labels, rule=rule, cause=cause, severity=severity)
    help_ = "What would end a harm that was felt, now or earlier: as words, for alerts."
    ends = {(rule, finding.rule): finding for finding in reversed(report.findings) for rule in finding.felt}
    for (rule, cause), finding in ends.items():
        if advice := end_words(finding):
            sink.add(
                "cgtune_advice_info", help_, 1, labels, rule=rule, cause=cause, harm=finding.harm, advice=clip(advice, _MOST_CHARACTERS)
            )


def _add_memory(sink: Sink, report: ProcessReport, labels: Mapping[str, str]) -> None:
    snapshot, memory = report.snapshot, report.limits.memory
    charged = snapshot.charged_level
    own = (charged or snapshot.memory_chain[0]).directory
    limit = _UNLIMITED if memory.limit_bytes is None else memory.limit_bytes
    sink.add("cgtune_memory_limit_bytes", "The memory limit.", limit, labels, of=memory.binding.directory if memory.binding else own)
    if any(level.high is not None for level in snapshot.memory_chain):
        high = _UNLIMITED if memory.high_bytes is None else memory.high_bytes
        directory = memory.high_binding.directory if memory.high_binding else own
        sink.add("cgtune_memory_high_bytes", "Where the kernel slows it down.", high, labels, of=directory)
    if charged is None:
        return
    sink.add("cgtune_memory_current_bytes", "What is charged to its cgroup.", charged.current_bytes, labels, of=own)
    sink.add("cgtune_memory_peak_bytes", "The most that ever was.", charged.peak_bytes, labels, of=own)
    sink.add("cgtune_memory_used_bytes", "Of that, what the kernel cannot give back.", charged.used_bytes, labels, of=own)
    sink.add("cgtune_memory_reclaimable_bytes", "Of that, what the kernel can give back.", charged.reclaimable_bytes, labels, of=own)
    if charged.parts is not None:
        for name, count in charged.parts.items():
            part = name.removesuffix("_bytes")
            sink.add("cgtune_memory_part_bytes", "By kind; some are part of others.", count, labels, of=own, part=part)
    help_ = "oom_kill of its cgroup, no number of processes: the first victim of a group kill counts twice."
    sink.add("cgtune_oom_kills_total", help_, snapshot.oom_kills, labels, of=own)
    sink.add("cgtune_oom_group_kills_total", "Those that ended a whole cgroup.", snapshot.oom_group_kills, labels, of=own)


def _add_quota(sink: Sink, level: CpuLevel, counters: Throttling, labels: Mapping[str, str]) -> None:
    own = level.directory
    help_ = "CPU time that its cgroup, whose quota binds, has used."
    sink.add("cgtune_cgroup_cpu_seconds_total", help_, level.usage_seconds, labels, of=own)
    sink.add("cgtune_cpu_periods_total", "Quota periods in which its cgroup ran.", counters.periods, labels, of=own)
    sink.add("cgtune_cpu_throttled_periods_total", "Those in which it was stopped.", counters.throttled_periods, labels, of=own)
    sink.add("cgtune_cpu_throttled_seconds_total", "Time stopped, over all CPUs.", counters.throttled_seconds, labels, of=own)
    burst = None if level.burst_us is None else level.burst_us / 1e6
    sink.add("cgtune_cpu_burst_limit_seconds", "Quota that it may save up for later.", burst, labels, of=own)
    sink.add("cgtune_cpu_burst_periods_total", "Periods in which saved-up quota was used.", counters.bursts, labels, of=own)
    sink.add("cgtune_cpu_burst_seconds_total", "Time used beyond the quota in these.", counters.burst_seconds, labels, of=own)


def _add_pressure(sink: Sink, resource: str, pressure: Pressure | None, labels: Mapping[str, str]) -> None:
    if pressure is None or pressure.scope != "cgroup":  # the whole machine's pressure says nothing of one process
        return
    help_ = "Time that some or all (full) tasks of its cgroup waited."
    for share, stall in (("some", pressure.some), ("full", pressure.full)):
        if stall is not None:
            more = {"resource": resource, "share": share}
            sink.add("cgtune_pressure_waiting_seconds_total", help_, stall.total_seconds, labels, of=pressure.file, **more)


def _add_go(sink: Sink, report: ProcessReport, facts: GoFacts, labels: Mapping[str, str]) -> None:
    chain = report.snapshot.cpu_chain or report.snapshot.memory_chain
    values = (
        chain[0].path if chain else "",
        facts.program.version,
        facts.program.main_module or "",
        _truth(facts.derived.aware),
        facts.derived.aware_from or "",
        _truth(facts.derived.updates),
    )
    more = {name: label_text(value) for name, value in zip(_GO_LABELS, values, strict=True)}
    if "container_id" not in labels:
        del more["id"]  # it names a container
    sink.add("cgtune_go_info", "Its Go runtime; id is its cgroup as cadvisor spells it.", 1, labels, **more)
    advised = {each.name: each.value for each in report.recommendations}
    for setting in facts.settings:
        stem = _STEMS[setting.name]
        sink.add(stem.format("derived"), f"{setting.name} that its runtime concludes by itself.", _number(setting.derived), labels)
        sink.add(stem.format("observed"), f"{setting.name} that it has.", _number(setting.observed), labels)
        sink.add(stem.format("recommended"), f"{setting.name} that would be right.", advised.get(setting.name), labels)
    _add_live(sink, facts.observed, labels)


def _add_live(sink: Sink, observed: GoObserved, labels: Mapping[str, str]) -> None:
    sink.add("cgtune_go_heap_live_bytes", "Left alive by the last collection or allocated since.", observed.heap_live_bytes, labels)
    live = observed.live
    if live is None:
        return
    sink.add("cgtune_go_heap_goal_bytes", "Heap at which a collection is to end.", _number(live.heap_goal_bytes), labels)
    sink.add("cgtune_go_collections_total", "Collections that ended.", live.collections, labels)
    sink.add("cgtune_go_forced_collections_total", "Those that the program asked for.", live.forced_collections, labels)
    ended = live.last_collection_unix_seconds
    sink.add("cgtune_go_last_collection_timestamp_seconds", "When the last one ended, since the epoch.", ended, labels)
    sink.add("cgtune_go_gc_cpu_seconds_total", "CPU time of its collections.", live.gc_cpu_seconds, labels)
    sink.add("cgtune_go_cpu_seconds_total", "CPU time that GOMAXPROCS gave it meanwhile.", live.cpu_seconds, labels)
    sink.add("cgtune_go_gc_cpu_ratio", "The share of its CPU time that went to them, since its start.", live.gc_cpu_fraction, labels)
    sink.add("cgtune_go_goroutines", "As runtime.NumGoroutine counts them.", live.goroutines, labels)
    sink.add("cgtune_go_queued_goroutines", "Of these, those in run queues.", live.queued_goroutines, labels)
    sink.add("cgtune_go_idle_procs", "Ps, of GOMAXPROCS, that have nothing to run.", live.idle_procs, labels)


def label_text(text: str) -> str:
    """Text of other processes as the value of a label: cut, and what could steer a terminal as its code."""
    escaped = escape_control(text[:_MOST_CHARACTERS])
    return escaped if len(escaped) <= _MOST_CHARACTERS else escaped[:_MOST_CHARACTERS]


def _truth(value: bool | None) -> str:
    return "unknown" if value is None else "true" if value else "false"


def _number(value: int | Off | None) -> float | None:
    return _UNLIMITED if value == "off" else value


def epoch_seconds(time: str | None) -> float | None:
    """A time of a report (RFC 3339) as seconds since the epoch."""
    from datetime import datetime

    return None if time is None else datetime.fromisoformat(time).timestamp()
