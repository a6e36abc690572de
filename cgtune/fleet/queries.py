"""What is asked of a Prometheus, Thanos, Mimir or VictoriaMetrics about a fleet: at most 24 instant queries, whatever its size. Pure.

First comes one probe: which of the series are there, and which labels they lack. Then each question about which there is a series. Each
groups by (cluster, namespace, pod, container), so that two replicas of kube-state-metrics and several jobs make one row. It groups at the
end: an engine that groups at each step of a history takes twice the time. So of a container that was made anew the highest quantile counts.

History is asked for in subqueries of bounded steps: 2016 points at the most for what must miss no peak, and 336 for quantiles. Two
quantiles of one history are one question (see pairs). The series of deploy/prometheus/cgtune-fleet.rules.yaml are read instead of the raw
ones if they reach back to the begin of the window.

Not covered: use that an OpenTelemetry collector measures (kubeletstats), whose series have other labels; containers without a name.
"""

from __future__ import annotations

from cgtune.fleet import names
from cgtune.fleet.asked import Asking
from cgtune.fleet.model import Query
from cgtune.fleet.pairs import over_pair, varying

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cgtune.fleet.asked import Asked
    from cgtune.fleet.probe import Seen

MOST_QUERIES = 24
_GROUP = "cluster,namespace,pod,container"
_POD = "cluster,namespace,pod"
_APP = 'container!="",container!="POD"'  # not the pod's own cgroup, nor the container that holds its network
_LATELY = "3600s"  # what a program says of itself: one that is killed again and again says nothing while it is down
_OTEL = ("k8s_namespace_name", "k8s_pod_name", "k8s_container_name")


def build_queries(asked: Asked, seen: Iterable[Seen] | None = None) -> tuple[Query, ...]:
    """The questions after the probe, without those of which no series is there. ``seen`` None: all of them."""
    ask = Asking(asked)
    if seen is None:
        present, recorded = frozenset(names.PROBED), frozenset[str]()
    else:
        looked = tuple(seen)
        present = frozenset(each.name for each in looked if not each.is_at_begin)
        recorded = frozenset(each.name for each in looked if each.is_at_begin) & present
    if asked.selector:
        recorded = frozenset()  # they have the labels of the group alone

    def put(name: str, build: _Build) -> Query | None:
        parts = build(ask, present, recorded)
        return Query(name=name, promql=" or ".join(parts)) if parts else None

    found = []
    for name, build in _QUESTIONS.items():
        if query := put(name, build):
            figures = [put(f"{name}_{figure}", _HISTORIES[name](quantile)) for figure, quantile in _PAIRS.get(name, {}).items()]
            apart = tuple(filter(None, figures))
            found.append(query.replace(promql=over_pair(query.promql), apart=apart) if apart else query)
    return tuple(found)


def narrow(query: Query, asked: Asked, seen: Iterable[Seen] | None, namespaces: tuple[str, ...]) -> Query | None:
    """The same question about these namespaces alone, "" for series without one; None: it cannot be put so.

    The probe is about labels that may be missing, and what OpenTelemetry exports may be of namespaces that no other series knows.
    """
    parts = build_queries(asked.replace(namespaces=namespaces), seen)
    each = (one for part in parts for one in (part, *part.apart))
    return next((part for part in each if part.name == query.name and query.name not in ("otel", "otel_settings")), None)


def _instant(metrics: tuple[str, ...], labels: str, *matchers: str, namespace: str | None = "namespace", lately: bool = False) -> _Build:
    def build(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
        there = [name for name in metrics if name in present]
        if not there:
            return []
        series = ask.named(there, *matchers, namespace=namespace)
        return [f"max by ({labels},__name__) ({f'last_over_time({series}[{_LATELY}])' if lately else series})"]

    return build


def _otel_settings(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    there = [name for name in names.OTEL_SETTINGS if name in present]
    if not there or "target_info" not in present:
        return []
    # Of two that describe one target one is taken: two would make the engine refuse the whole.
    info = ask.selector("target_info", *(f'{label}!=""' for label in _OTEL[:2]), namespace=_OTEL[0])
    info = f"topk by (job,instance) (1,{info})"
    labels = ",".join((*_OTEL, "cluster"))
    parts = []
    for name in there:
        joined = f"max by (job,instance) ({ask.selector(name, namespace=None)}) * on (job,instance) group_left ({labels}) {info}"
        parts.append(_named(name, f"max by ({labels}) ({joined})"))
    return parts


def _owner(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """2: the pod is there now. 1: it was in the window."""
    name, kept = names.OWNERS[0], names.RECORDED_OWNER
    if name not in present:
        return []
    by, ever = f"max by ({_POD},owner_kind,owner_name)", ask.selector(kept if kept in recorded else name)
    return [f"2 * {by} ({ask.selector(name)})", f"{by} (last_over_time({ask.over(ever, ask.steps.state)}))"]


def _upper_owner(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    labels = (("kube_replicaset_owner", "replicaset"), ("kube_job_owner", "job_name"))
    return [
        f"max by (cluster,namespace,{label},owner_kind,owner_name) (last_over_time({ask.over(ask.selector(name), ask.steps.state)}))"
        for name, label in labels
        if name in present
    ]


def _nodes(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    if not present.issuperset(names.NODES):
        return []
    capacity = ask.selector("kube_node_status_capacity", 'resource="cpu"', namespace=None)
    pods = ask.selector("kube_pod_info", 'node!=""')
    pods = f"max by ({_POD},node) ({pods})"
    return [f"max by ({_POD}) ({pods} * on (cluster,node) group_left () max by (cluster,node) ({capacity}))"]


def _cgtune_kills(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    name = "cgtune_workload_oom_kills_total"
    return [f"sum by (cluster,namespace,workload) (increase({ask.selector(name)}[{ask.window}]))"] if name in present else []


def _states(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    """Restarts so far, and whether an end was a kill."""
    restarts, reason = names.STATES
    if restarts not in present:
        return []
    now = [_named("restarts_now", _most(ask.selector(restarts)))]
    killed = ask.selector(reason, 'reason="OOMKilled"')
    return [*now, _named("oom", _most(f"max_over_time({killed}[{ask.window}])"))] if reason in present else now


def _restarts(quantile: str | None) -> _Build:
    """From the least to the most: differences rather than increase(), of which engines have several."""

    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        name, kept = names.STATES[0], names.RECORDED_RESTARTS
        if name not in present:
            return []
        return [_quantile(quantile, ask.over(ask.selector(kept if kept in recorded else name), ask.steps.state))]

    return build


def _history(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    there = [name for name in names.MEMORY if name in present] or [name for name in names.CPU if name in present]
    if names.RECORDED_MEMORY in recorded:
        there = [names.RECORDED_MEMORY]
    if not there:
        return []
    points, ages = [], []
    for used in (ask.selector(name, *(() if name in names.RECORDED else (_APP,))) for name in there):
        points.append(_most(f"count_over_time({ask.over(used, ask.steps.quantile)})"))
        # When there was a sample. Not timestamp(): Prometheus 2.42 takes twenty times as long for it in a subquery
        ages.append(f"min by ({_GROUP}) (min_over_time({ask.over(f'clamp({used},time(),time())', ask.steps.state)}))")
    return [_named("points", " or ".join(points)), _named("age", f"time() - ({' or '.join(ages)})")]


def _named(of: str, expression: str) -> str:
    """With a label that says what it tells, or which series it comes from."""
    return f'label_replace({expression},"of","{of}","","")'


def _most(expression: str) -> str:
    """One figure for a container, of all its series."""
    return f"max by ({_GROUP}) ({expression})"


def _quantile(quantile: str | None, inner: str) -> str:
    return _most(f"max_over_time({inner})" if quantile is None else f"quantile_over_time({quantile},{inner})")


def _kept(name: str, quantile: str | None, ask: Asking) -> list[str]:
    """Of a recorded series: in the steps of quantiles it costs a third of what its samples would."""
    series = ask.selector(name)
    return [_named(name, _quantile(quantile, f"{series}[{ask.window}]" if quantile is None else ask.over(series, ask.steps.quantile)))]


def _cpu(quantile: str | None) -> _Build:
    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_CPU in recorded:
            return _kept(names.RECORDED_CPU, quantile, ask)
        step = ask.steps.peak if quantile is None else ask.steps.quantile
        return [_named(name, _quantile(quantile, ask.over(_rate(ask, name, _APP), step))) for name in names.CPU if name in present]

    return build


def _rate(ask: Asking, name: str, *matchers: str) -> str:
    """Over as long as peaks are apart, so that nothing lies between two of them."""
    return f"rate({ask.selector(name, *matchers)}[{ask.steps.peak}s])"


def _memory(quantile: str | None) -> _Build:
    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_MEMORY in recorded:
            return _kept(names.RECORDED_MEMORY, quantile, ask)
        there = [name for name in names.MEMORY if name in present]
        if quantile is None:  # the highest of all samples between two steps, so that no peak is missed that was seen
            step = ask.steps.peak
            return [_named(name, _quantile(None, ask.over(f"max_over_time({ask.selector(name, _APP)}[{step}s])", step))) for name in there]
        return [_named(name, _quantile(quantile, ask.over(ask.selector(name, _APP), ask.steps.quantile))) for name in there]

    return build


def _recent(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """Medians of the last day, which tell growth."""
    if ask.of_last_day is None:
        return []
    return [*_cpu(_MEDIAN)(ask.of_last_day, present, recorded), *_memory(_MEDIAN)(ask.of_last_day, present, recorded)]


def _ratio(part: str, whole: str, ask: Asking, *matchers: str) -> str:
    """The increase of one counter by that of another."""
    return f"{_rate(ask, part, *matchers)} / ({_rate(ask, whole, *matchers)} > 0)"


def _throttled(quantile: str | None) -> _Build:
    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_THROTTLED in recorded:
            return _kept(names.RECORDED_THROTTLED, quantile, ask)
        return [
            _named(part, _quantile(quantile, ask.over(_ratio(part, whole, ask, _APP), ask.steps.quantile)))
            for part, whole in zip(names.THROTTLED, names.PERIODS, strict=True)
            if {part, whole} <= present
        ]

    return build


def _live_heap(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    is_kept = names.RECORDED_HEAP in recorded
    there = [name for name in names.LIVE_HEAP if name in present and not (is_kept and name == names.RECORDED[names.RECORDED_HEAP])]
    kept = _kept(names.RECORDED_HEAP, None, ask) if is_kept else []
    return [*(_named(name, _quantile(None, ask.over(ask.selector(name), ask.steps.quantile))) for name in there), *kept]


def _gc_share(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    is_kept = names.RECORDED_GC in recorded
    shares = [
        _named(part, _quantile("0.95", ask.over(_ratio(part, whole, ask), ask.steps.quantile)))
        for part, whole in zip(names.GC_SECONDS, names.GO_SECONDS, strict=True)
        if {part, whole} <= present and not (is_kept and part == names.RECORDED[names.RECORDED_GC])
    ]
    return [*shares, *(_kept(names.RECORDED_GC, "0.95", ask) if is_kept else [])]


if TYPE_CHECKING:
    _Build = Callable[[Asking, frozenset[str], frozenset[str]], list[str]]

_MEDIAN = "0.5"
#: The figures of a paired question, in their order, and how each is asked for by itself.
_PAIRS: dict[str, dict[str, str | None]] = {
    "cpu": {"p50": _MEDIAN, "p95": "0.95"},
    "memory": {"p50": _MEDIAN, "p95": "0.95"},
    "throttled": {"p50": _MEDIAN, "most": None},
    "restarts": {"least": "0", "most": None},
}
_HISTORIES: dict[str, Callable[[str | None], _Build]] = {"cpu": _cpu, "memory": _memory, "throttled": _throttled, "restarts": _restarts}
_QUESTIONS: dict[str, _Build] = {
    "cgtune": _instant(names.CGTUNE, f"{_GROUP},workload,go_version,container_aware", lately=True),
    "client_golang": _instant(names.CLIENT_GOLANG, f"{_GROUP},version", lately=True),
    "otel": _instant(
        ("target_info",), f"cluster,{','.join(_OTEL)},process_runtime_version", 'process_runtime_name="go"', namespace=_OTEL[0], lately=True
    ),
    "otel_settings": _otel_settings,
    "resources": _instant(names.RESOURCES, f"{_GROUP},resource", 'resource=~"cpu|memory"'),
    "pod_resources": _instant(names.POD_RESOURCES, f"{_POD},resource", 'resource=~"cpu|memory"'),
    "enforced": _instant(names.ENFORCED, _GROUP, _APP),
    "owner": _owner,
    "upper_owner": _upper_owner,
    "nodes": _nodes,
    "cgtune_kills": _cgtune_kills,
    "states": _states,
    "restarts": _restarts(varying(0, 1)),
    "history": _history,
    "cpu": _cpu(varying(0.5, 0.95)),
    "cpu_most": _cpu(None),
    "memory": _memory(varying(0.5, 0.95)),
    "memory_most": _memory(None),
    "recent": _recent,
    "throttled": _throttled(varying(0.5, 1)),
    "live_heap": _live_heap,
    "gc_share": _gc_share,
}
