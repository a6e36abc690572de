"""The metrics: prometheus_client reads and writes them so, in both formats; nothing stands for nothing, and no name breaks a line."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given, strategies as st
from prometheus_client import generate_latest, parser
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition, parser as openmetrics_parser
from prometheus_client.utils import floatToGoString

from cgtune.api import inspect
from cgtune.limits import enforce
from cgtune.model import (
    Advice,
    Container,
    Finding,
    GoLive,
    MemoryEvents,
    MemoryParts,
    Note,
    Pressure,
    ProcessReport,
    Recommendation,
    Report,
    Stall,
    Used,
)
from cgtune.outputs.packed import Packed
from cgtune.outputs.prometheus import ServiceFacts, _Families, format_value, join_metrics, render_report, render_service
from cgtune.outputs.series import add_process, labels_of
from tests.rules.reports import go_facts, memory_level, report as process_report
from tests.support import stories

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(packed: Packed, *, openmetrics: bool) -> Samples:
    """What a scrape gets: value by name and labels; two samples of one name and labels are an error, as they are to Prometheus."""
    parse: Any = openmetrics_parser.text_string_to_metric_families if openmetrics else parser.text_string_to_metric_families
    found: Samples = {}
    text = bytes(packed).decode()
    for family in parse(text + "# EOF\n" * (openmetrics and not text.endswith("# EOF\n"))):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float | None:
    """The one sample of that name with these among its labels; None where there is none."""
    found = [number for (each, own), number in samples.items() if each == name and labels.items() <= dict(own).items()]
    assert len(found) <= 1, found
    return found[0] if found else None


def machine_report(*processes: ProcessReport) -> Report:
    """A report on these processes."""
    machine = process_report().snapshot.machine
    return Report(version="0.1.0", time="2026-11-23T02:12:00Z", machine=machine, processes=processes)


def names(samples: Iterable[tuple[str, Any]]) -> set[str]:
    """The names of all samples."""
    return {name for name, _ in samples}


class _Collected:
    """Samples as prometheus_client's own families, for its own writers."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def add(self, name: str, help_: str, value: float | None, labels: Mapping[str, str] = MappingProxyType({}), **more: str) -> None:
        """As a Sink takes it."""
        more.pop("of", None)
        if value is not None:
            make = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            self._families.setdefault(name, make(name, help_)).add_sample(name, {**labels, **more}, value)

    def collect(self) -> Iterable[Metric]:
        """What it asks a registry for."""
        return self._families.values()


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
def test_it_writes_what_prometheus_client_writes(openmetrics: bool) -> None:
    """To the byte: labels of any text, families as they were first named, counters, and a process's labels beside those of one sample."""
    ours, theirs = _Families(openmetrics=openmetrics), _Collected()
    told, hostile = 0, HOSTILE.replace("\udcff", "")
    for story in stories.names():
        for process in stories.report(story).processes:
            for sink in (ours, theirs):
                add_process(sink, process, labels_of(process.snapshot, "pid"))
            told += 1
    for sink in (ours, theirs):
        sink.add("cgtune_x_total", 'a "b" \\ c\nd', 1, {"b": hostile, "aa": "", "a": "é"}, ab=hostile)
        sink.add("cgtune_y", "bare", math.inf)
    text = openmetrics_exposition.generate_latest(theirs) if openmetrics else generate_latest(theirs)  # type: ignore[no-untyped-call]
    assert told > 30
    assert bytes(join_metrics([ours.render()], openmetrics=openmetrics)) == text


@given(st.floats() | st.integers(-(2**70), 2**70) | st.floats(1e5, 1e9))
@example(1e6).via("the first with an exponent")
@example(123456789.5)
@example(1e16)
@example(-0.0)
@example(-1234567.5)
@example(1.7e308)
def test_numbers_are_those_of_go(number: float) -> None:
    """As prometheus_client prints them."""
    assert format_value(number) == floatToGoString(number)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
@pytest.mark.parametrize("story", stories.names())
def test_a_parser_reads_every_story(story: str, openmetrics: bool) -> None:
    """Each recorded machine's report is well-formed, with one CPU limit for each process whose cgroup was seen."""
    report = stories.report(story)
    samples = read(join_metrics([render_report(report, openmetrics=openmetrics)], openmetrics=openmetrics), openmetrics=openmetrics)
    limit = report.processes[0].limits.cpu.limit_cores
    expected = None if not report.processes[0].snapshot.cpu_chain else math.inf if limit is None else limit
    assert value(samples, "cgtune_cpu_limit_cores") == expected
    assert value(samples, "cgtune_online_cpus") == len(report.machine.online)


def test_merged_series_stand_in_place_of_those_of_each_process() -> None:
    """What the service has added up is told as it is, and no process beside it: else a sum would count it twice."""
    whole = machine_report(process_report())
    series = [("cgtune_cpu_seconds_total", "CPU time.", 2.5, {"workload": "web"})]
    samples = read(render_report(whole, openmetrics=False, merged=series), openmetrics=False)
    assert value(samples, "cgtune_cpu_seconds_total", workload="web") == 2.5
    assert value(samples, "cgtune_online_cpus") == 8
    assert names(read(render_report(whole, openmetrics=False), openmetrics=False)) - names(samples)
    assert not [labels for _, labels in samples if "pid" in dict(labels)]


def test_both_formats_say_the_same() -> None:
    """The same samples, counters too, under the same names."""
    report = inspect([4242], root=str(stories.STORIES / "v2-ancestor-tighter"))
    text, openmetrics = (read(render_report(report, openmetrics=each), openmetrics=each) for each in (False, True))
    assert text == openmetrics
    assert value(text, "cgtune_cpu_throttled_periods_total") is not None


def test_unlimited_is_infinite_and_unknown_is_nothing() -> None:
    """What is "max" or "off" is +Inf, what could not be read has no series, and a recommendation without a value has none either."""
    facts = go_facts(procs=8, memory="off")
    unlimited = read(render_report(machine_report(process_report(facts)), openmetrics=False), openmetrics=False)
    for name in ("cgtune_cpu_limit_cores", "cgtune_memory_limit_bytes", "cgtune_memory_high_bytes"):
        assert value(unlimited, name) == math.inf
    assert value(unlimited, "cgtune_gomemlimit_observed_bytes") == value(unlimited, "cgtune_gomemlimit_derived_bytes") == math.inf
    assert value(unlimited, "cgtune_gomaxprocs_observed") == 8
    assert "cgtune_gomemlimit_recommended_bytes" not in names(unlimited)
    unknown = read(
        render_report(machine_report(process_report(go_facts(procs=None, memory=None, aware=None))), openmetrics=False), openmetrics=False
    )
    assert not {name for name in names(unknown) if name.endswith(("_observed", "_observed_bytes"))}
    assert value(unknown, "cgtune_go_info", container_aware="unknown") == 1


def test_limits_recommendations_and_counters() -> None:
    """Each number of the report stands under its name."""
    process = process_report(go_facts(procs=8), cores=2.5, memory=(memory_level("/pod/app", 1 << 29),), throttled=(7, 100))
    stall = Stall(avg10_percent=0.0, avg60_percent=0.0, avg300_percent=0.0, total_seconds=2.25)
    pressure = Pressure(scope="cgroup", file="/sys/fs/cgroup/app/cpu.pressure", some=stall, full=None)
    (leaf, *above), (level,) = process.snapshot.cpu_chain, process.snapshot.memory_chain
    assert leaf.throttling is not None
    parts = MemoryParts(anonymous_bytes=9 << 20, active_file_bytes=4 << 20, inactive_file_bytes=2 << 20, dirty_bytes=1 << 20)
    killed = level.replace(events=MemoryEvents(oom_kill=3, oom_group_kill=1), parts=parts)
    snapshot = process.snapshot.replace(
        memory_chain=(killed,),
        cpu_chain=(leaf.replace(burst_us=50_000, throttling=leaf.throttling.replace(bursts=4, burst_seconds=0.1)), *above),
        cpu_pressure=pressure,
        memory_pressure=pressure.replace(scope="machine"),
        container=Container(id="ab" * 32, pod_uid="6ab9f1eb-8f7d-4388-a4f9-d586f66e99fd", runtime="containerd"),
    )
    recommendations = (
        Recommendation(name="GOMAXPROCS", value=3, set=True, because=()),
        Recommendation(name="GOMEMLIMIT", value=1 << 28, set=True, because=()),
    )
    told = machine_report(process.replace(snapshot=snapshot, limits=enforce(snapshot), recommendations=recommendations))
    samples = read(render_report(told, openmetrics=True), openmetrics=True)
    joined = {"container_id": f"containerd://{'ab' * 32}", "uid": "6ab9f1eb-8f7d-4388-a4f9-d586f66e99fd", "pid": str(snapshot.process.pid)}
    expected = {
        "cgtune_cpu_limit_cores": 2.5,
        "cgtune_memory_limit_bytes": 1 << 29,
        "cgtune_gomaxprocs_recommended": 3,
        "cgtune_gomemlimit_recommended_bytes": 1 << 28,
        "cgtune_cpu_periods_total": 100,
        "cgtune_cpu_throttled_periods_total": 7,
        "cgtune_cpu_throttled_seconds_total": 1.0,
        "cgtune_pressure_waiting_seconds_total": 2.25,  # the cgroup's alone: one series
        "cgtune_oom_kills_total": 3,
        "cgtune_oom_group_kills_total": 1,
        "cgtune_memory_current_bytes": 20 << 20,
        "cgtune_memory_used_bytes": 15 << 20,
        "cgtune_memory_reclaimable_bytes": 5 << 20,
        "cgtune_cpu_burst_limit_seconds": 0.05,
        "cgtune_cpu_burst_periods_total": 4,
        "cgtune_cpu_burst_seconds_total": 0.1,
        "cgtune_go_info": 1,
    }
    assert {name: value(samples, name, **joined) for name in expected} == expected
    assert value(samples, "cgtune_pressure_waiting_seconds_total", resource="cpu", share="some") == 2.25
    assert value(samples, "cgtune_memory_part_bytes", part="anonymous") == 9 << 20
    assert value(samples, "cgtune_memory_part_bytes", part="unevictable") is None  # not counted: no series
    assert value(samples, "cgtune_go_info", id="/pod/app", go_version="1.27.3", container_aware="true", awareness_from="built-in") == 1


@pytest.mark.parametrize(
    ("runtime", "spelled"),
    [("containerd", "containerd://"), ("cri-o", "cri-o://"), ("docker", "docker://"), ("podman", "podman://"), (None, "")],
)
def test_container_ids_are_spelled_as_kube_state_metrics_does(runtime: str | None, spelled: str) -> None:
    """The engine as a scheme before the id; the bare id where the engine is not known."""
    process = process_report(go_facts())
    snapshot = process.snapshot.replace(container=Container(id="c" * 64, runtime=runtime))
    samples = read(render_report(machine_report(process.replace(snapshot=snapshot)), openmetrics=False), openmetrics=False)
    assert value(samples, "cgtune_cpu_usable_cpus", container_id=spelled + "c" * 64, uid="") is not None
    snapshot = process.snapshot.replace(container=Container(id=None, runtime=runtime))  # in a pod only the engine may be known
    samples = read(render_report(machine_report(process.replace(snapshot=snapshot)), openmetrics=False), openmetrics=False)
    assert value(samples, "cgtune_cpu_usable_cpus", container_id="") is not None


def test_notes_are_counted_once() -> None:
    """What could not be read is seen in a page that has no words, too. A note on the machine stands in each of its processes."""
    machine, own = Note(path="/proc/stat", why="EIO", kind="failed"), Note(path="/proc/1/exe", why="denied", kind="failed")
    process = process_report()
    process = process.replace(snapshot=process.snapshot.replace(notes=(machine,)))
    notes = (machine, own, Note(path="/", why="above", kind="hidden"))
    other = process.replace(snapshot=process.snapshot.replace(process=process.snapshot.process.replace(pid=43), notes=notes))
    report = machine_report(process, other).replace(notes=(Note(path="/proc", why="two more"),))
    samples = read(render_report(report, openmetrics=True), openmetrics=True)
    assert [value(samples, "cgtune_notes", kind=each) for each in ("failed", "hidden", "fact")] == [2, 1, 1]
    assert value(samples, "cgtune_missing_privilege_notes", privilege="CAP_SYS_PTRACE") is None
    refused = tuple(Note(path=path, why="denied", privilege="CAP_SYS_PTRACE") for path in ("/proc/1/mem", "/proc/1/fd"))
    samples = read(render_report(report.replace(notes=(*refused, *refused)), openmetrics=True), openmetrics=True)
    assert value(samples, "cgtune_missing_privilege_notes", privilege="CAP_SYS_PTRACE") == 2
    empty = read(render_report(machine_report(), openmetrics=True), openmetrics=True)
    assert [value(empty, "cgtune_notes", kind=each) for each in ("failed", "hidden", "fact")] == [0, 0, 0]


def test_findings_are_counted_and_named_once() -> None:
    """All three severities are always there; two runtimes of one process with one fault are one series, not a scrape that fails."""
    finding = Finding(rule="gomemlimit-unset", severity="warning", summary="", evidence=(), advice=())
    process = process_report(go_facts()).replace(findings=(finding, finding, finding.replace(rule="cpu-throttled", severity="info")))
    samples = read(render_report(machine_report(process), openmetrics=True), openmetrics=True)
    assert [value(samples, "cgtune_findings", severity=each) for each in ("info", "warning", "critical")] == [1, 2, 0]
    assert value(samples, "cgtune_finding", rule="gomemlimit-unset", severity="warning") == 1
    empty = read(render_report(machine_report(), openmetrics=True), openmetrics=True)
    assert [value(empty, "cgtune_findings", severity=each) for each in ("info", "warning", "critical")] == [0, 0, 0]


HOSTILE = 'a"b\\c\nd\x1b[2J\udcff\u202e{} # EOF\n# TYPE x gauge\nx 1\n'


@pytest.mark.parametrize("openmetrics", [False, True], ids=["text", "openmetrics"])
def test_no_name_breaks_a_line(openmetrics: bool) -> None:
    """Commands, modules, versions and cgroups of any name are label values and nothing else, no longer than 256 characters."""
    process = process_report(go_facts(main_module=HOSTILE * 200, version=HOSTILE))
    chain = tuple(level.replace(path=f"/{HOSTILE}") for level in process.snapshot.cpu_chain)
    snapshot = process.snapshot.replace(process=process.snapshot.process.replace(command=HOSTILE * 50), cpu_chain=chain)
    text = render_report(machine_report(process.replace(snapshot=snapshot)), openmetrics=openmetrics)
    samples = read(text, openmetrics=openmetrics)
    assert "x" not in names(samples)
    labels = [word for _, own in samples for _, word in own]
    assert max(map(len, labels)) == 256
    assert all(word.isprintable() for word in labels)


def test_the_service_speaks_of_itself() -> None:
    """Before the first report there are its counts and nothing about a report; afterwards its age, and what was not seen."""
    first = read(render_service(ServiceFacts(version="0.1.0", scans=0, scan_errors=2), openmetrics=True), openmetrics=True)
    assert value(first, "cgtune_build_info", version="0.1.0") == 1
    assert (value(first, "cgtune_scans_total"), value(first, "cgtune_scan_errors_total")) == (0, 2)
    assert names(first) == {"cgtune_build_info", "cgtune_scans_total", "cgtune_scan_errors_total"}
    facts = ServiceFacts(
        version="0.1.0",
        scans=1,
        scan_errors=0,
        unreadable=4,
        left_out=5,
        missing=6,
        scan_seconds=0.2,
        report_time_seconds=1e9,
        age_seconds=3.5,
    )
    then = read(render_service(facts, openmetrics=False), openmetrics=False)
    expected = {
        "unreadable_processes": 4,
        "processes_left_out": 5,
        "missing_processes": 6,
        "scan_duration_seconds": 0.2,
        "report_age_seconds": 3.5,
    }
    assert {name: value(then, f"cgtune_{name}") for name in expected} == expected


def test_parts_make_one_page() -> None:
    """OpenMetrics ends once, at the end."""
    report: Report = machine_report(process_report(go_facts()))
    facts = ServiceFacts(version="0.1.0", scans=1, scan_errors=0)
    page = join_metrics((render_service(facts, openmetrics=True), render_report(report, openmetrics=True)), openmetrics=True)
    assert bytes(page).count(b"# EOF\n") == 1
    assert {"cgtune_build_info", "cgtune_cpu_limit_cores"} <= names(read(page, openmetrics=True))
    assert bytes(join_metrics((render_service(facts, openmetrics=True), Packed()), openmetrics=True)).endswith(b"# EOF\n")


IN_POD = Container(id="c" * 64, pod_uid="6ab9", runtime="containerd", name="app", pod_name="web-5d4f8c7b9d-x2vlq", pod_namespace="shop")


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        (IN_POD, {"namespace": "shop", "pod": "web-5d4f8c7b9d-x2vlq", "container": "app", "workload": "web"}),
        (IN_POD.replace(pod_name=None, pod_namespace=None), {"namespace": "", "pod": "", "container": "app", "workload": "c" * 64}),
        (Container(pod_uid="6ab9"), {"namespace": "", "pod": "", "container": "", "workload": "6ab9"}),
        (Container(id="d" * 64, runtime="docker"), {"namespace": "", "pod": "", "container": "", "workload": "d" * 64}),
        (Container(), {"namespace": "", "pod": "", "container": "", "workload": "/pod/app"}),
    ],
)
def test_series_name_the_workload(container: Container, expected: dict[str, str]) -> None:
    """Kubernetes's names where they are known, a workload always: two that cannot be told must not become one."""
    process = process_report(go_facts(), memory=(memory_level("/pod/app", 1 << 29),))
    report = machine_report(process.replace(snapshot=process.snapshot.replace(container=container)))
    assert value(read(render_report(report, openmetrics=True), openmetrics=True), "cgtune_cpu_usable_cpus", **expected) is not None


def test_what_was_used() -> None:
    """CPU time of the process and of the cgroup that its quota is of, the peak, GOGC, the collector's share, and when it was started."""
    process = process_report(
        go_facts(gogc="off", live=GoLive(gc_cpu_fraction=0.25)), cores=1.0, memory=(memory_level("/pod/app", 1 << 29),), throttled=(0, 10)
    )
    leaf, *above = process.snapshot.cpu_chain
    snapshot = process.snapshot.replace(
        used=Used(cpu_seconds=12.5, major_faults=0, threads=5),
        cpu_chain=(leaf.replace(usage_seconds=20.0), *above),
        memory_chain=(process.snapshot.memory_chain[0].replace(peak_bytes=30 << 20),),
        process=process.snapshot.process.replace(start_time="2026-11-23T02:00:00Z"),
    )
    told = machine_report(process.replace(snapshot=snapshot, limits=enforce(snapshot)))
    samples = read(render_report(told, openmetrics=True), openmetrics=True)
    expected = {
        "cgtune_cpu_seconds_total": 12.5,
        "cgtune_cgroup_cpu_seconds_total": 20.0,
        "cgtune_memory_peak_bytes": 30 << 20,
        "cgtune_gogc_observed_percent": math.inf,
        "cgtune_go_gc_cpu_ratio": 0.25,
        "cgtune_process_start_time_seconds": 1_795_399_200,
    }
    assert {name: value(samples, name) for name in expected} == expected


def test_harm_is_told_by_rule_and_cause() -> None:
    """What hurts now bears the name of what hurts, and that of its cause; what hurt earlier, or may hurt, is no harm."""
    finding = Finding(rule="gomaxprocs-exceeds-quota", severity="warning", summary="", evidence=(), advice=(), harm="now")
    merged = finding.replace(symptoms=("cpu-throttled", "started-throttled"))
    others = (finding.replace(rule="oom-killed", harm="earlier"), finding.replace(rule="gomemlimit-unset", harm="possible"))
    process = process_report(go_facts()).replace(findings=(merged, finding.replace(rule="memory-stalling"), *others))
    samples = read(render_report(machine_report(process), openmetrics=True), openmetrics=True)
    harm = {(dict(own)["rule"], dict(own)["cause"]) for name, own in samples if name == "cgtune_harm"}
    cause = "gomaxprocs-exceeds-quota"
    assert harm == {("cpu-throttled", cause), ("started-throttled", cause), ("memory-stalling", "memory-stalling")}


def test_what_ends_a_harm_is_told_in_words() -> None:
    """By the rule that was felt and its cause, now and earlier, and not of what may hurt; a long text is cut."""
    raise_it = (Advice(variable=None, value=None, reason="raise\x1b it"), Advice(variable=None, value=None, reason="or not"))
    set_it = (Advice(variable="GOMAXPROCS", value="2", reason="as\nfew"),)
    long = (Advice(variable=None, value=None, reason="very " * 100),)
    finding = Finding(rule="gomaxprocs-exceeds-quota", severity="warning", summary="", evidence=(), advice=set_it, harm="now")
    findings = (
        finding.replace(symptoms=("cpu-throttled", "started-throttled")),
        finding.replace(rule="oom-killed", harm="earlier", advice=raise_it),
        finding.replace(rule="memory-stalling", advice=long),
        finding.replace(rule="collector-busy", advice=()),
        finding.replace(rule="gomemlimit-unset", harm="possible"),
    )
    process = process_report(go_facts()).replace(findings=findings)
    samples = read(render_report(machine_report(process), openmetrics=True), openmetrics=True)
    found = [dict(own) for name, own in samples if name == "cgtune_advice_info"]
    told = {(each["rule"], each["cause"], each["harm"]): each["advice"] for each in found}
    assert told == {
        ("cpu-throttled", "gomaxprocs-exceeds-quota", "now"): "set GOMAXPROCS=2: as\\x0afew",
        ("started-throttled", "gomaxprocs-exceeds-quota", "now"): "set GOMAXPROCS=2: as\\x0afew",
        ("oom-killed", "oom-killed", "earlier"): "raise\\x1b it",
        ("memory-stalling", "memory-stalling", "now"): ("very " * 100)[:254] + "…",
    }


def test_who_has_just_begun_has_no_series() -> None:
    """Below the least age there is none, from there on there are; an age that is not known is no reason, and counts are of all."""
    ages = {4: 14, 5: 15, 6: None}
    process = process_report(go_facts())
    each = [
        process.replace(snapshot=process.snapshot.replace(process=process.snapshot.process.replace(pid=pid, age_seconds=age)))
        for pid, age in ages.items()
    ]
    samples = read(render_report(machine_report(*each), openmetrics=False, least_age_seconds=15.0), openmetrics=False)
    assert {dict(own)["pid"] for _, own in samples if "pid" in dict(own)} == {"5", "6"}
    assert value(samples, "cgtune_go_processes") == 3
