"""The records of fleet: what was asked, what the answers say of each workload, and what could not be told. Pure."""

from __future__ import annotations

from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from cgtune.model import Finding, Recommendation, RuleText


class Query(Record):
    """One question: its name, and its PromQL. Its answer is a vector: one sample for each set of labels; or a matrix, if ``is_range``.

    ``apart``: it is about two figures at once (see pairs), each of which one of these asks for by itself. Its answer is a matrix.
    """

    name: str
    promql: str
    is_range: bool = False
    apart: tuple[Query, ...] = ()


class Sample(Record):
    """One sample of an answer: its labels, as sorted pairs, and its value. Neither NaN nor infinite unless the engine said so.

    Of a series it is the last value; ``values`` are all, at the same place as their ``times`` in seconds since 1970.
    """

    labels: tuple[tuple[str, str], ...]
    value: float
    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def label(self, name: str) -> str:
        """A label's value, empty if it has none."""
        return next((value for key, value in self.labels if key == name), "")


class Answer(Record):
    """What came of one query. ``warnings`` are the engine's own (of a partial answer); ``error`` its refusal, None: it answered.

    ``parts`` is how many requests it took: 1, or more where the engine refused the whole and was asked by namespace.
    """

    query: Query
    samples: tuple[Sample, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None
    parts: int = 1


class Key(Record):
    """Which container of which workload. ``cluster`` is empty if the series do not name one."""

    cluster: str
    namespace: str
    kind: str
    name: str
    container: str


class Span(Record):
    """Quantiles of what was measured over the window, each None if it was not measured."""

    p50: float | None = None
    p95: float | None = None
    most: float | None = None


class Measured(Record):
    """What the series say of one container of a workload over the window; None where nothing is known.

    CPU in cores, memory in bytes, shares from 0 to 1. ``least_procs`` and ``most_procs`` are GOMAXPROCS over the replicas.
    ``gomemlimit_bytes`` None: not known; ``is_gomemlimit_off``: it is not set. ``gogc`` -1: off. A limit that is None although
    ``is_cpu_unlimited`` or ``is_memory_unlimited`` is known not to be there. ``cpu_shares`` are what cadvisor makes of its cgroup's weight.
    ``is_aware``: whether the runtime obeys its quota, which only cgtune's own series tell for sure. ``is_resized``: some replica's enforced
    limit differs from what is written.

    ``history_seconds`` is how long it was seen, ``samples`` how many points its usage has. ``throttled`` are shares of periods over
    replicas and time. ``gc_share`` is the collector's part of the CPU time that GOMAXPROCS allows. ``kills``: at least so many.
    ``cpu_recent`` and ``memory_recent`` are the use of the last day alone: what it has over the whole window is growth. ``cpu_track`` and
    ``memory_track`` are the use of the busiest replica over time, as (seconds since 1970, value), if that was asked for.

    ``sources`` says from which series each came: "cgtune", "client_golang", "otel", "cadvisor", "ksm", "scheduler"; ``series`` has the
    name of the series for each field of which it is known, for evidence: ("most_procs", "go_sched_gomaxprocs_threads").
    """

    replicas: int | None = None
    go: tuple[str, ...] = ()
    least_procs: int | None = None
    most_procs: int | None = None
    cpu_limit_cores: float | None = None
    cpu_request_cores: float | None = None
    cpu_shares: int | None = None
    memory_limit_bytes: int | None = None
    memory_request_bytes: int | None = None
    gomemlimit_bytes: int | None = None
    is_gomemlimit_off: bool = False
    gogc: int | None = None
    cpu_used: Span = Span()
    memory_used: Span = Span()
    throttled: Span = Span()
    live_heap_bytes: int | None = None
    gc_share: float | None = None
    kills: int | None = None
    restarts: int | None = None
    history_seconds: float | None = None
    samples: int | None = None
    is_resized: bool = False
    is_cpu_unlimited: bool = False
    is_memory_unlimited: bool = False
    is_aware: bool | None = None
    node_cpus: int | None = None
    sources: tuple[str, ...] = ()
    series: tuple[tuple[str, str], ...] = ()
    cpu_recent: Span = Span()
    memory_recent: Span = Span()
    cpu_track: tuple[tuple[float, float], ...] = ()
    memory_track: tuple[tuple[float, float], ...] = ()


class NotJoined(Record):
    """Series that belong to no row: why, how many, and the line of configuration that would mend it."""

    why: str
    count: int
    mend: str


class Sized(Record):
    """A limit or request that history speaks for, in cores or bytes.

    ``value`` None: nothing is recommended, and ``because`` says why ("too young"). ``confidence``: "high", "medium" or "low", by how long
    a history there is and what was missing.
    """

    what: Literal["cpu-limit", "cpu-request", "memory-limit", "memory-request"]
    value: float | None
    because: tuple[str, ...]
    confidence: Literal["high", "medium", "low"]


class Row(Record):
    """One workload's container as the report shows it. ``wasted_cores`` and ``wasted_bytes`` are of all replicas; below 0: lacking.

    ``recommendations`` are right under the limits of now, ``under_sized`` under those of ``sized``: who changes a limit sets these with it.
    """

    key: Key
    measured: Measured
    findings: tuple[Finding, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    sized: tuple[Sized, ...] = ()
    under_sized: tuple[Recommendation, ...] = ()
    wasted_cores: float | None = None
    wasted_bytes: float | None = None
    upgrade: str | None = None


class Timeline(Record):
    """Over which time use was asked for, in seconds since 1970, and how far apart its points are."""

    begin_seconds: float
    end_seconds: float
    step_seconds: float


class Scope(Record):
    """What a report was asked about: these namespaces, (): all; further matchers; which rules were left out."""

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    ignored: tuple[str, ...] = ()


class FleetReport(Record):
    """The report, its rows worst first. ``engine`` is what answered; ``queries`` how many requests were made.

    ``refused``: the questions that the engine refused, each with its words: what they tell is missing from all rows. ``rules`` are those
    that were asked. ``timeline`` None: use over time was not asked for.
    """

    version: str
    time: str
    window_seconds: float
    engine: str
    queries: int
    rows: tuple[Row, ...]
    not_joined: tuple[NotJoined, ...]
    warnings: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    rules: tuple[RuleText, ...] = ()
    scope: Scope = Scope()
    timeline: Timeline | None = None
