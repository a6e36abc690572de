"""A report and the service's own numbers as Prometheus metrics, in the text format and in OpenMetrics, by prometheus_client.

One convention everywhere: +Inf where nothing limits ("max", "off"), and no series where a value is not known. Of a process with several
Go runtimes the first is shown; the report has them all. Names and labels are listed in docs/serve.md.
"""

from __future__ import annotations

from cgtune.model import SEVERITIES
from cgtune.outputs.escape import escape_control
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.core import Metric

    from cgtune.model import GoFacts, GoObserved, Kills, MemoryLevel, Off, Owner, Pressure, ProcessReport, Report, Snapshot

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_LABELS = ("pid", "command", "container_id", "uid")
_GO_LABELS = ("id", "go_version", "main_module", "container_aware", "awareness_from", "follows_updates")
_MOST_CHARACTERS = 256  # of one label: names and paths are somebody else's, and every sample repeats them
_UNLIMITED = float("inf")
_END = b"# EOF\n"


class ServiceFacts(Record):
    """What the service says of itself. What hangs on a report is None before the first; ``age_seconds`` also in a file, where it would
    stand still.
    """

    version: str
    scans: int
    scan_errors: int
    unreadable: int | None = None
    left_out: int | None = None
    missing: int | None = None
    scan_seconds: float | None = None
    report_time_seconds: float | None = None
    age_seconds: float | None = None


def render_report(report: Report, *, openmetrics: bool) -> bytes:
    """The metrics of a report that has its findings."""
    families = _Families()
    families.add("cgtune_online_cpus", "CPUs that the machine has switched on.", len(report.machine.online))
    families.add("cgtune_go_processes", "Go processes in the report.", sum(bool(each.snapshot.go) for each in report.processes))
    counts = dict.fromkeys(reversed(SEVERITIES), 0)
    for process in report.processes:
        for finding in process.findings:
            counts[finding.severity] += 1
    for severity, count in counts.items():
        families.add("cgtune_findings", "Findings of all processes.", count, severity=severity)
    for process in report.processes:
        _add_process(families, process)
    return families.render(openmetrics=openmetrics)


def render_service(facts: ServiceFacts, *, openmetrics: bool) -> bytes:
    """The metrics of the service itself."""
    families = _Families()
    families.add("cgtune_build_info", "The version of cgtune that serves.", 1, version=facts.version)
    families.add("cgtune_scans_total", "Scans that ended with a report.", facts.scans)
    families.add("cgtune_scan_errors_total", "Scans that failed; the report before stays.", facts.scan_errors)
    families.add("cgtune_unreadable_processes", "Processes that could not be looked into.", facts.unreadable)
    families.add("cgtune_processes_left_out", "Go processes that are too many to be reported.", facts.left_out)
    families.add("cgtune_missing_processes", "Processes asked for by pid that are not there.", facts.missing)
    families.add("cgtune_scan_duration_seconds", "How long the last scan took.", facts.scan_seconds)
    families.add("cgtune_report_timestamp_seconds", "When the report was made, since the epoch.", facts.report_time_seconds)
    families.add("cgtune_report_age_seconds", "How old the report is.", facts.age_seconds)
    return families.render(openmetrics=openmetrics)


#: The label that names each kind of owner, beside Kubernetes's names.
_OWNER_LABELS = {"container": "container_id", "pod": "uid", "workload": "workload"}


def render_kills(kills: Sequence[Kills], workloads: Sequence[Owner], forgotten: int, *, openmetrics: bool) -> bytes:
    """The metrics of what is remembered of OOM kills; ``workloads`` are those that have a series of 0 if they have no kill."""
    families = _Families()
    killed = {each.owner.key for each in kills}
    for each in kills:
        _add_kills(families, each.owner, each.oom_kills, each.last_seconds)
    for owner in workloads:
        if owner.key not in killed:
            _add_kills(families, owner, 0, None)
    families.add("cgtune_kills_forgotten_total", "Owners whose kills are remembered no more, as they were too many.", forgotten)
    return families.render(openmetrics=openmetrics)


def _add_kills(families: _Families, owner: Owner, kills: int, last_seconds: float | None) -> None:
    name = f"{owner.runtime}://{owner.name}" if owner.runtime and owner.of == "container" else owner.name
    labels = {_OWNER_LABELS[owner.of]: name, "namespace": owner.namespace}
    if owner.of != "workload":
        labels["pod"] = owner.pod
    if owner.of == "container":
        labels |= {"uid": owner.uid, "container": owner.container}
        if owner.uid is not None and owner.container is not None:
            labels[_OWNER_LABELS[owner.of]] = None  # it changes each time the container is made anew: a counter must go on
    more = {key: _text(value or "") for key, value in labels.items()}
    families.add(f"cgtune_{owner.of}_oom_kills_total", f"OOM kills of a {owner.of} since the service began to look.", kills, **more)
    families.add(f"cgtune_{owner.of}_last_oom_kill_timestamp_seconds", f"When a {owner.of} had its last one.", last_seconds, **more)


def join_metrics(parts: Iterable[bytes], *, openmetrics: bool) -> bytes:
    """Rendered parts as one page; their families must differ."""
    if not openmetrics:
        return b"".join(parts)
    return b"".join(part.removesuffix(_END) for part in parts) + _END


class _Families:
    """Metric families by name, in the order in which they were first named."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def add(self, name: str, help_: str, value: float | None, labels: Sequence[str] = (), **more: str) -> None:
        """One sample; none where the value is not known. ``labels`` are the values of _LABELS. A name that ends in _total is a counter."""
        if value is None:
            return
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        family = self._families.get(name)
        if family is None:
            make = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = self._families[name] = make(name, help_, labels=None)
        family.add_sample(name, dict(zip(_LABELS, labels, strict=False)) | more, value)

    def render(self, *, openmetrics: bool) -> bytes:
        """All of them in one of the two formats."""
        from prometheus_client import generate_latest
        from prometheus_client.openmetrics import exposition

        if openmetrics:
            return exposition.generate_latest(self)  # type: ignore[no-any-return,no-untyped-call]  # it has no types
        return generate_latest(self)

    def collect(self) -> Iterable[Metric]:
        """What prometheus_client asks a registry for."""
        return self._families.values()


def _add_process(families: _Families, report: ProcessReport) -> None:
    snapshot, limits = report.snapshot, report.limits
    labels = _labels(snapshot)
    if snapshot.cpu_chain:
        cores = limits.cpu.limit_cores
        families.add("cgtune_cpu_limit_cores", "CPUs that the quotas allow.", _UNLIMITED if cores is None else cores, labels)
    families.add("cgtune_cpu_usable_cpus", "CPUs that it may run on.", len(limits.cpu.usable), labels)
    if snapshot.memory_chain:
        limit, high = limits.memory.limit_bytes, limits.memory.high_bytes
        families.add("cgtune_memory_limit_bytes", "The memory limit.", _UNLIMITED if limit is None else limit, labels)
        if any(level.high is not None for level in snapshot.memory_chain):
            families.add("cgtune_memory_high_bytes", "Where the kernel slows it down.", _UNLIMITED if high is None else high, labels)
        charged = snapshot.charged_level
        families.add("cgtune_memory_current_bytes", "What is charged to its cgroup.", charged.current_bytes if charged else None, labels)
        if charged is not None:
            _add_memory(families, charged, labels)
    help_ = "oom_kill of its cgroup, no number of processes: the first victim of a group kill counts twice."
    families.add("cgtune_oom_kills_total", help_, snapshot.oom_kills, labels)
    families.add("cgtune_oom_group_kills_total", "Those that ended a whole cgroup.", snapshot.oom_group_kills, labels)
    # Of one cgroup for good: a counter that jumped to another one's, as the most throttled changes, would look reset.
    level = next(iter(report.counted_levels), None)
    if level is not None and level.throttling is not None:
        counters = level.throttling
        families.add("cgtune_cpu_periods_total", "Quota periods in which its cgroup ran.", counters.periods, labels)
        families.add("cgtune_cpu_throttled_periods_total", "Those in which it was stopped.", counters.throttled_periods, labels)
        families.add("cgtune_cpu_throttled_seconds_total", "Time stopped, over all CPUs.", counters.throttled_seconds, labels)
        burst = None if level.burst_us is None else level.burst_us / 1e6
        families.add("cgtune_cpu_burst_limit_seconds", "Quota that it may save up for later.", burst, labels)
        families.add("cgtune_cpu_burst_periods_total", "Periods in which saved-up quota was used.", counters.bursts, labels)
        families.add("cgtune_cpu_burst_seconds_total", "Time used beyond the quota in these.", counters.burst_seconds, labels)
    for resource, pressure in (("cpu", snapshot.cpu_pressure), ("memory", snapshot.memory_pressure)):
        _add_pressure(families, resource, pressure, labels)
    if snapshot.go:
        _add_go(families, report, snapshot.go[0], labels)
    help_ = "A finding that holds now; cgtune explain tells of its rule. harm: now, earlier or possible."
    for rule, severity, harm in dict.fromkeys((finding.rule, finding.severity, finding.harm) for finding in report.findings):
        families.add("cgtune_finding", help_, 1, labels, rule=rule, severity=severity, harm=harm)


def _add_memory(families: _Families, charged: MemoryLevel, labels: Sequence[str]) -> None:
    families.add("cgtune_memory_used_bytes", "Of that, what the kernel cannot give back.", charged.used_bytes, labels)
    families.add("cgtune_memory_reclaimable_bytes", "Of that, what the kernel can give back.", charged.reclaimable_bytes, labels)
    if charged.parts is not None:
        for name, count in charged.parts.items():
            families.add("cgtune_memory_part_bytes", "By kind; some are part of others.", count, labels, part=name.removesuffix("_bytes"))


def _add_pressure(families: _Families, resource: str, pressure: Pressure | None, labels: Sequence[str]) -> None:
    if pressure is None or pressure.scope != "cgroup":  # the whole machine's pressure says nothing of one process
        return
    help_ = "Time that some or all (full) tasks of its cgroup waited."
    for share, stall in (("some", pressure.some), ("full", pressure.full)):
        if stall is not None:
            seconds = stall.total_seconds
            families.add("cgtune_pressure_waiting_seconds_total", help_, seconds, labels, resource=resource, share=share)


def _add_go(families: _Families, report: ProcessReport, facts: GoFacts, labels: Sequence[str]) -> None:
    chain = report.snapshot.cpu_chain or report.snapshot.memory_chain
    values = (
        chain[0].path if chain else "",
        facts.program.version,
        facts.program.main_module or "",
        _truth(facts.derived.aware),
        facts.derived.aware_from or "",
        _truth(facts.derived.updates),
    )
    more = {name: _text(value) for name, value in zip(_GO_LABELS, values, strict=True)}
    families.add("cgtune_go_info", "Its Go runtime; id is its cgroup as cadvisor spells it.", 1, labels, **more)
    advised = {each.name: each.value for each in report.recommendations}
    for setting in facts.settings:
        stem = {"GOMAXPROCS": "cgtune_gomaxprocs_{}", "GOMEMLIMIT": "cgtune_gomemlimit_{}_bytes"}.get(setting.name)
        if stem is None:
            continue
        families.add(stem.format("derived"), f"{setting.name} that its runtime concludes by itself.", _number(setting.derived), labels)
        families.add(stem.format("observed"), f"{setting.name} that it has.", _number(setting.observed), labels)
        families.add(stem.format("recommended"), f"{setting.name} that would be right.", advised.get(setting.name), labels)
    _add_live(families, facts.observed, labels)


def _add_live(families: _Families, observed: GoObserved, labels: Sequence[str]) -> None:
    families.add("cgtune_go_heap_live_bytes", "Left alive by the last collection or allocated since.", observed.heap_live_bytes, labels)
    live = observed.live
    if live is None:
        return
    families.add("cgtune_go_heap_goal_bytes", "Heap at which a collection is to end.", _number(live.heap_goal_bytes), labels)
    families.add("cgtune_go_collections_total", "Collections that ended.", live.collections, labels)
    families.add("cgtune_go_forced_collections_total", "Those that the program asked for.", live.forced_collections, labels)
    ended = live.last_collection_unix_seconds
    families.add("cgtune_go_last_collection_timestamp_seconds", "When the last one ended, since the epoch.", ended, labels)
    families.add("cgtune_go_gc_cpu_seconds_total", "CPU time of its collections.", live.gc_cpu_seconds, labels)
    families.add("cgtune_go_cpu_seconds_total", "CPU time that GOMAXPROCS gave it meanwhile.", live.cpu_seconds, labels)
    families.add("cgtune_go_goroutines", "As runtime.NumGoroutine counts them.", live.goroutines, labels)
    families.add("cgtune_go_queued_goroutines", "Of these, those in run queues.", live.queued_goroutines, labels)
    families.add("cgtune_go_idle_procs", "Ps, of GOMAXPROCS, that have nothing to run.", live.idle_procs, labels)


def _labels(snapshot: Snapshot) -> tuple[str, ...]:
    container = snapshot.container
    id_ = container.id or ""
    if id_ and container.runtime:
        id_ = f"{container.runtime}://{id_}"  # as kube-state-metrics has it: containerd://, cri-o://, docker://
    return str(snapshot.process.pid), _text(snapshot.process.command), _text(id_), _text(container.pod_uid or "")


def _text(text: str) -> str:
    escaped = escape_control(text[:_MOST_CHARACTERS])
    return escaped if len(escaped) <= _MOST_CHARACTERS else escaped[:_MOST_CHARACTERS]


def _truth(value: bool | None) -> str:
    return "unknown" if value is None else "true" if value else "false"


def _number(value: int | Off | None) -> float | None:
    return _UNLIMITED if value == "off" else value
