"""The report as JSON, schema cgtune/report/v1 (cgtune/schemas/report-v1.schema.json): fixed order, same input same bytes."""

from __future__ import annotations

from cgtune.outputs.escape import escape_control
from cgtune.outputs.jsontext import json_pieces
from cgtune.outputs.rates import rates_content
from cgtune.outputs.words import format_cpu_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.model import (
        ByteLimit,
        CpuLevel,
        Finding,
        GoFacts,
        GoLive,
        Kills,
        Level,
        Limits,
        Machine,
        MemoryEvents,
        MemoryLevel,
        MemoryParts,
        Note,
        Pairs,
        Platform,
        Pressure,
        PressureLevel,
        ProcessReport,
        Recommendation,
        Report,
        Snapshot,
        Stall,
        Verdict,
    )

    Json = dict[str, object]

SCHEMA = "cgtune/report/v1"

_LONGEST_PLACE = 1024  # characters; 600 in a cluster within a container. The kernel prints 4,095, and a report has each level's path twice


def render_verdict_json(verdict: Verdict) -> str:
    """The judged report: what ``check`` has to say beyond it is in its exit code."""
    return render_json(verdict.report)


def verdict_pieces(verdict: Verdict) -> Iterator[str]:
    """The same in pieces."""
    return report_pieces(verdict.report)


def render_json(report: Report) -> str:
    """The whole report, indented, in ASCII."""
    return "".join(report_pieces(report))


def report_pieces(report: Report) -> Iterator[str]:
    """The same in pieces, one for each process: nobody has to hold the text of all."""
    content: Json = {
        "schema": SCHEMA,
        "cgtune": report.version,
        "go_checked": list(report.go_checked),
        "time": report.time,
        "machine": _machine(report.machine),
        "processes": (process_content(process) for process in report.processes),
        "notes": [_note(note) for note in report.notes],
        "machinery": [{"pid": process.pid, "command": _text(process.command)} for process in report.machinery],
    }
    return json_pieces(content)


def _machine(machine: Machine) -> Json:
    return {
        "online_cpus": len(machine.online),
        "memory_bytes": machine.memory_bytes,
        "page_bytes": machine.page_bytes,
        "kernel": _text(machine.kernel),
        "cgroup_mode": machine.cgroup_mode,
        "online": format_cpu_list(machine.online),
        "swap_bytes": machine.swap_bytes,
        "uptime_seconds": machine.uptime_seconds,
        "busy_seconds": machine.busy_seconds,
        "idle_seconds": machine.idle_seconds,
        "steal_seconds": machine.steal_seconds,
        "cpu_pressure": _pressure(machine.cpu_pressure),
        "memory_pressure": _pressure(machine.memory_pressure),
    }


def process_content(report: ProcessReport) -> Json:
    """One entry of a report's processes."""
    snapshot, process = report.snapshot, report.snapshot.process
    asked: Json = {} if report.remembered is None else {"remembered_kills": [kills_content(kills) for kills in report.remembered]}
    return {
        "pid": process.pid,
        "self": process.is_self,
        "start_time": process.start_time,
        "command": _text(process.command),
        "executable": _text(process.executable),
        "container": {
            "id": _text(snapshot.container.id),
            "pod_uid": _text(snapshot.container.pod_uid),
            "runtime": snapshot.container.runtime,
            "name": _text(snapshot.container.name),
            "pod_name": _text(snapshot.container.pod_name),
            "pod_namespace": _text(snapshot.container.pod_namespace),
        },
        "enforced": _enforced(snapshot, report.limits),
        "usage": _usage(report),
        "kind": snapshot.kind,
        "go": _go(snapshot.go[0]) if snapshot.go else None,
        "settings": _settings(snapshot.go[0], report.recommendations) if snapshot.go else {},
        "findings": [finding_content(finding) for finding in report.findings],
        "notes": [_note(note) for note in report.notes],
        "used": _used(snapshot),
        "rates": rates_content(snapshot.rates),
        "more_runtimes": [{"go": _go(facts), "settings": _settings(facts, report.recommendations)} for facts in snapshot.go[1:]],
        "age_seconds": process.age_seconds,
        "platforms": [_platform(platform) for platform in snapshot.platforms],
        **asked,
    }


def _platform(platform: Platform) -> Json:
    return {
        "name": platform.name,
        "told_by": [_place(line) for line in platform.told_by],
        "hides": platform.hides,
        "is_machine": platform.is_machine,
        "said": [
            {
                "resource": said.resource,
                "of": said.of,
                "value": said.value,
                "unit": said.unit,
                "source": _text(said.source),
                "is_cap": said.is_cap,
            }
            for said in platform.said
        ],
    }


def kills_content(kills: Kills) -> Json:
    """What a service remembers of the OOM kills of one container, pod or workload."""
    owner, last = kills.owner, kills.last
    return {
        "owner": {
            "of": owner.of,
            "name": _text(owner.name),
            "runtime": _text(owner.runtime),
            "uid": _text(owner.uid),
            "namespace": _text(owner.namespace),
            "pod": _text(owner.pod),
            "container": _text(owner.container),
        },
        "oom_kills": kills.oom_kills,
        "processes": kills.processes,
        "last_seconds": kills.last_seconds,
        "last": None if last is None else {name: _text(value) if name == "command" else value for name, value in last.items()},
    }


def _go(facts: GoFacts) -> Json:
    follows = facts.observed.follows
    return {
        "version": _text(facts.program.version),
        "language": None,  # go.mod's go line is not recorded in the program; DefaultGODEBUG tells what follows from it
        "main_module": _text(facts.program.main_module),
        "godebug": _texts(facts.program.godebug),
        "modules": _texts(facts.program.modules),
        "settings": _texts(facts.program.build_settings),
        "path": _text(facts.program.path),
        "deleted": facts.program.deleted,
        "container_aware": facts.derived.aware,
        "updates": facts.derived.updates,
        "pinned": facts.observed.pinned,
        "follows": None if follows is None else {"path": _text(follows.path), "own": follows.own, "exists": follows.exists},
        "dies": _text(facts.derived.dies),
        "cpus_at_start": facts.observed.cpus_at_start,
        "heap_live_bytes": facts.observed.heap_live_bytes,
        "heap_marked_bytes": facts.observed.heap_marked_bytes,
        "mapped_bytes": facts.observed.mapped_bytes,
        "live": None if facts.observed.live is None else _live(facts.observed.live),
        "linked": [_text(name) for name in facts.program.linked],
        "compiler": facts.program.compiler,
        "emulator": _text(facts.program.emulator),
    }


def _live(live: GoLive) -> Json:
    return {
        "heap_goal_bytes": live.heap_goal_bytes,
        "collections": live.collections,
        "forced_collections": live.forced_collections,
        "last_collection_unix_seconds": live.last_collection_unix_seconds,
        "since_collection_seconds": live.since_collection_seconds,
        "paused_seconds": live.paused_seconds,
        "gc_cpu_fraction": live.gc_cpu_fraction,
        "gc_cpu_seconds": live.gc_cpu_seconds,
        "cpu_seconds": live.cpu_seconds,
        "goroutines": live.goroutines,
        "queued_goroutines": live.queued_goroutines,
        "idle_procs": live.idle_procs,
    }


def _settings(facts: GoFacts, recommendations: tuple[Recommendation, ...]) -> Json:
    """Derivation and recommendation; ``because`` holds the steps of the one, then the reasons of the other."""
    advised = {recommendation.name: recommendation for recommendation in recommendations}
    settings: Json = {}
    for setting in facts.settings:
        recommendation = advised.get(setting.name)
        settings[setting.name] = {
            "derived": setting.derived,
            "observed": setting.observed,
            "observed_from": setting.observed_from,
            "recommended": recommendation.value if recommendation is not None else None,
            "set": recommendation.set if recommendation is not None else False,
            "because": [_text(step) for step in setting.because + (recommendation.because if recommendation is not None else ())],
        }
    return settings


def finding_content(finding: Finding) -> Json:
    """One finding."""
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "harm": finding.harm,
        "summary": _text(finding.summary),
        "evidence": [_text(line) for line in finding.evidence],
        "advice": [
            {"variable": advice.variable, "value": _text(advice.value), "reason": _text(advice.reason)} for advice in finding.advice
        ],
    }


def _texts(pairs: Pairs) -> Json:
    return {escape_control(name): escape_control(value) for name, value in pairs}


def _enforced(snapshot: Snapshot, limits: Limits) -> Json:
    cpuset = limits.cpu.cpuset
    return {
        "cpu": {
            "limit_cores": limits.cpu.limit_cores,
            "bound_by": _path(limits.cpu.binding),
            "usable_cpus": len(limits.cpu.usable),
            "chain": [_cpu_level(level, snapshot) for level in snapshot.cpu_chain],
            "usable": format_cpu_list(limits.cpu.usable),
            "affinity": format_cpu_list(snapshot.process.affinity),
            "cpuset": None
            if cpuset is None
            else {"path": _text(cpuset.path), "file": _text(cpuset.file), "cpus": format_cpu_list(cpuset.cpus)},
            "burst_us": limits.cpu.binding.burst_us if limits.cpu.binding is not None else None,
        },
        "memory": {
            "limit_bytes": limits.memory.limit_bytes,
            "bound_by": _path(limits.memory.binding),
            "high_bytes": limits.memory.high_bytes,
            "swap_bytes": limits.memory.swap_bytes,
            "chain": [_memory_level(level) for level in snapshot.memory_chain],
            "limit_from": _text(limits.memory.limit_from),
            "high_bound_by": _path(limits.memory.high_binding),
            "memsw_bytes": limits.memory.memsw_bytes,
            "node_limit_bytes": limits.memory.node_bytes,
            "node_limit_from": _text(limits.memory.node_from),
        },
    }


def _cpu_level(level: CpuLevel, snapshot: Snapshot) -> Json:
    bandwidth, throttling = level.bandwidth, level.throttling
    cpus = next((cpuset.cpus for cpuset in snapshot.cpuset_chain if cpuset.path == level.path), None)
    return {
        "path": _place(level.path),
        "version": level.version,
        "quota_us": bandwidth.quota_us if bandwidth else None,
        "period_us": bandwidth.period_us if bandwidth else None,
        "limit_cores": bandwidth.limit_cores if bandwidth else None,
        "weight": level.weight,
        "cpus": format_cpu_list(cpus) if cpus is not None else None,
        "shares": level.shares,
        "directory": _place(level.directory),
        "periods": throttling.periods if throttling else None,
        "throttled_periods": throttling.throttled_periods if throttling else None,
        "throttled_seconds": throttling.throttled_seconds if throttling else None,
        "idle": level.idle,
        "burst_us": level.burst_us,
        "bursts": throttling.bursts if throttling else None,
        "burst_seconds": throttling.burst_seconds if throttling else None,
        "usage_seconds": level.usage_seconds,
        "requests": [{"formula": name, "least_millicores": least, "most_millicores": most} for name, least, most in level.requests],
        "said_by": level.said_by,
    }


def _memory_level(level: MemoryLevel) -> Json:
    return {
        "path": _place(level.path),
        "version": level.version,
        "limit_bytes": _bytes(level.limit),
        "high_bytes": _bytes(level.high),
        "swap_bytes": _bytes(level.swap),
        "memsw_bytes": _bytes(level.memsw),
        "hierarchical_bytes": _bytes(level.hierarchical),
        "current_bytes": level.current_bytes,
        "reclaimable_bytes": level.reclaimable_bytes,
        "directory": _place(level.directory),
        "used_bytes": level.used_bytes,
        "parts": _counts(level.parts),
        "events": _counts(level.events),
        "events_local": _counts(level.events_local),
        "peak_bytes": level.peak_bytes,
        "refaults": level.refaults,
        "said_by": level.said_by,
    }


def _counts(counts: MemoryParts | MemoryEvents | None) -> Json | None:
    return None if counts is None else dict(counts.items())


def _usage(report: ProcessReport) -> Json:
    snapshot, level = report.snapshot, report.throttled_level
    throttling = level.throttling if level else None
    charged = snapshot.charged_level
    return {
        "cpu": {
            "periods": throttling.periods if throttling else None,
            "throttled_periods": throttling.throttled_periods if throttling else None,
            "throttled_seconds": throttling.throttled_seconds if throttling else None,
            "pressure": _pressure(snapshot.cpu_pressure),
            "throttled_in": _path(level),
            "bursts": throttling.bursts if throttling else None,
            "burst_seconds": throttling.burst_seconds if throttling else None,
        },
        "memory": {
            "current_bytes": charged.current_bytes if charged else None,
            "oom_kills": snapshot.oom_kills,
            "pressure": _pressure(snapshot.memory_pressure),
            "swap_current_bytes": charged.swap_current_bytes if charged else None,
            "used_bytes": charged.used_bytes if charged else None,
            "reclaimable_bytes": charged.reclaimable_bytes if charged else None,
            "oom_group_kills": snapshot.oom_group_kills,
        },
    }


def _used(snapshot: Snapshot) -> Json | None:
    used = snapshot.used
    if used is None:
        return None
    return {
        "cpu_seconds": used.cpu_seconds,
        "major_faults": used.major_faults,
        "threads": used.threads,
        "wait_seconds": used.wait_seconds,
        "wait_threads": len(used.waits),
        "pressure_chain": [_pressure_level(level) for level in snapshot.pressure_chain],
    }


def _pressure_level(level: PressureLevel) -> Json:
    return {
        "path": _place(level.path),
        "version": level.version,
        "directory": _place(level.directory),
        "cpu": _pressure(level.cpu),
        "memory": _pressure(level.memory),
    }


def _pressure(pressure: Pressure | None) -> Json | None:
    if pressure is None:
        return None
    return {"scope": pressure.scope, "file": _text(pressure.file), "some": _stall(pressure.some), "full": _stall(pressure.full)}


def _stall(stall: Stall | None) -> Json | None:
    if stall is None:
        return None
    return {
        "avg10_percent": stall.avg10_percent,
        "avg60_percent": stall.avg60_percent,
        "avg300_percent": stall.avg300_percent,
        "total_seconds": stall.total_seconds,
    }


def _note(note: Note) -> Json:
    return {"path": _text(note.path), "why": _text(note.why), "privilege": note.privilege}


def _bytes(limit: ByteLimit | None) -> int | None:
    return limit.limit_bytes if limit is not None else None


def _path(level: Level | None) -> str | None:
    return _place(level.path) if level is not None else None


def _place(path: str) -> str:
    """A cgroup's path, the folder of its files, or a line with one: both ends of one that nobody reads whole."""
    shown = path if len(path) <= _LONGEST_PLACE else f"{path[: _LONGEST_PLACE // 2]}...{path[-_LONGEST_PLACE // 2 :]}"
    return escape_control(shown)


def _text(text: str | None) -> str | None:
    return escape_control(text) if text is not None else None
