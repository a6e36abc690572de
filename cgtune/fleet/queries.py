"""What is asked of a Prometheus, Thanos, Mimir or VictoriaMetrics about a fleet: at most 24 instant queries, whatever its size. Pure.

First comes one probe: which of the series are there, and which labels they lack. Then each question about which there is a series. Each
groups by (cluster, namespace, pod, container), so that two replicas of kube-state-metrics and several jobs make one row.

History is asked for in subqueries of bounded steps: 2016 points at the most for what must miss no peak, and 336 for quantiles. The series
of deploy/prometheus/cgtune-fleet.rules.yaml are read instead of the raw ones if they reach back to the begin of the window.

Not covered: use that an OpenTelemetry collector measures (kubeletstats), whose series have other labels; containers without a name.
"""

from __future__ import annotations

from cgtune.fleet import names
from cgtune.fleet.asked import Asking
from cgtune.fleet.model import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cgtune.fleet.asked import Asked
    from cgtune.fleet.probe import Seen

MOST_QUERIES = 24
_GROUP = "cluster,namespace,pod,container"
_POD = "cluster,namespace,pod"
_APP = 'container!="",container!="POD"'  # not the pod's own cgroup, nor the container that holds its network
_OTEL = ("k8s_namespace_name", "k8s_pod_name", "k8s_container_name")


def build_queries(asked: Asked, seen: Iterable[Seen] | None = None) -> tuple[Query, ...]:
    """The questions after the probe, without those of which no series is there. ``seen`` None: all of them.

    For a part of the namespaces, change ``asked``, and take the query of the same name.
    """
    ask = Asking(asked)
    if seen is None:
        present, recorded = frozenset(names.PROBED), frozenset[str]()
    else:
        looked = tuple(seen)
        present = frozenset(each.name for each in looked if not each.is_at_begin)
        recorded = frozenset(each.name for each in looked if each.is_at_begin) & present
    if asked.selector:
        recorded = frozenset()  # they have the labels of the group alone
    return tuple(
        Query(name=name, promql=" or ".join(parts)) for name, build in _QUESTIONS.items() if (parts := build(ask, present, recorded))
    )


def _instant(metrics: tuple[str, ...], labels: str, *matchers: str, namespace: str | None = "namespace") -> _Build:
    def build(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
        there = [name for name in metrics if name in present]
        return [f"max by ({labels},__name__) ({ask.named(there, *matchers, namespace=namespace)})"] if there else []

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
        parts.append(f'label_replace(max by ({labels}) ({joined}),"of","{name}","","")')
    return parts


def _owner(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    """2: the pod is there now. 1: it was in the window."""
    if "kube_pod_owner" not in present:
        return []
    pods = f"max by ({_POD},owner_kind,owner_name) ({ask.selector('kube_pod_owner')})"
    return [f"(2 * {pods})", f"last_over_time({ask.over(pods, ask.steps.state)})"]


def _upper_owner(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    labels = (("kube_replicaset_owner", "replicaset"), ("kube_job_owner", "job_name"))
    return [
        f"last_over_time({ask.over(f'max by (cluster,namespace,{label},owner_kind,owner_name) ({ask.selector(name)})', ask.steps.state)})"
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


def _oom(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    name = "kube_pod_container_status_last_terminated_reason"
    if name not in present:
        return []
    killed = ask.selector(name, 'reason="OOMKilled"')
    return [f"max by ({_GROUP}) (max_over_time({killed}[{ask.window}]))"]


def _cgtune_kills(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    name = "cgtune_workload_oom_kills_total"
    return [f"sum by (cluster,namespace,workload) (increase({ask.selector(name)}[{ask.window}]))"] if name in present else []


def _restarts(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    """Differences rather than increase(), of which engines have several. A pod that no step has met began at 0."""
    name = "kube_pod_container_status_restarts_total"
    if name not in present:
        return []
    now = f"max by ({_GROUP}) ({ask.selector(name)})"
    before = ask.over(now, ask.steps.state)
    return [f"(({now} or max_over_time({before})) - (min_over_time({before}) or 0 * {now}))"]


def _history(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    there = [name for name in names.MEMORY if name in present] or [name for name in names.CPU if name in present]
    if not there:
        return []
    every = _use(ask, there)
    points, age = ask.over(every, ask.steps.quantile), ask.over(f"0 * ({every}) + time()", ask.steps.quantile)
    return [
        f'label_replace(count_over_time({points}),"of","points","","")',
        f'label_replace(time() - min_over_time({age}),"of","age","","")',
    ]


def _use(ask: Asking, metrics: Iterable[str], function: str = "", per: int = 0) -> str:
    """What containers use, from the first of these metrics that a container has."""
    inner = (ask.selector(name, _APP) for name in metrics)
    return " or ".join(f"max by ({_GROUP}) ({f'{function}({each}[{per}s])' if function else each})" for each in inner)


def _quantile(quantile: float | None, inner: str) -> str:
    return f"max_over_time({inner})" if quantile is None else f"quantile_over_time({quantile:g},{inner})"


def _cpu(quantile: float | None) -> _Build:
    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_CPU in recorded:
            return [_quantile(quantile, f"{ask.selector(names.RECORDED_CPU)}[{ask.window}]")]
        there = [name for name in names.CPU if name in present]
        step = ask.steps.peak if quantile is None else ask.steps.quantile
        return [_quantile(quantile, ask.over(_use(ask, there, "rate", ask.steps.peak), step))] if there else []

    return build


def _memory(quantile: float | None) -> _Build:
    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_MEMORY in recorded:
            return [_quantile(quantile, f"{ask.selector(names.RECORDED_MEMORY)}[{ask.window}]")]
        there = [name for name in names.MEMORY if name in present]
        if not there:
            return []
        if quantile is None:  # each sample, so that no peak is missed that was seen
            return [_use(ask, there, "max_over_time", int(ask.window[:-1]))]
        return [_quantile(quantile, ask.over(_use(ask, there), ask.steps.quantile))]

    return build


def _ratio(ask: Asking, pairs: Iterable[tuple[str, str]], present: frozenset[str], *matchers: str, per: int) -> str:
    """The increase of one counter by that of another, of the first pair that a container has."""
    parts = []
    for part, whole in pairs:
        if {part, whole} <= present:
            rates = [f"max by ({_GROUP}) (rate({ask.selector(name, *matchers)}[{per}s]))" for name in (part, whole)]
            parts.append(f"({rates[0]} / ({rates[1]} > 0))")
    return " or ".join(parts)


def _throttled(quantile: float | None) -> _Build:
    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_THROTTLED in recorded:
            return [_quantile(quantile, f"{ask.selector(names.RECORDED_THROTTLED)}[{ask.window}]")]
        inner = _ratio(ask, zip(names.THROTTLED, names.PERIODS, strict=True), present, _APP, per=ask.steps.peak)
        return [_quantile(quantile, ask.over(inner, ask.steps.quantile))] if inner else []

    return build


def _live_heap(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    there = [name for name in names.LIVE_HEAP if name in present]
    labels = f"{_GROUP},workload"
    return [f"max_over_time({ask.over(f'max by ({labels}) ({ask.selector(name)})', ask.steps.quantile)})" for name in reversed(there)]


def _gc_share(ask: Asking, present: frozenset[str], _recorded: frozenset[str]) -> list[str]:
    inner = _ratio(ask, zip(reversed(names.GC_SECONDS), reversed(names.GO_SECONDS), strict=True), present, per=ask.steps.peak)
    return [f"quantile_over_time(0.95,{ask.over(inner, ask.steps.quantile)})"] if inner else []


if TYPE_CHECKING:
    _Build = Callable[[Asking, frozenset[str], frozenset[str]], list[str]]

_QUESTIONS: dict[str, _Build] = {
    "cgtune": _instant(names.CGTUNE, f"{_GROUP},workload,go_version,container_aware"),
    "client_golang": _instant(names.CLIENT_GOLANG, f"{_GROUP},version"),
    "otel": _instant(
        ("target_info",), f"cluster,{','.join(_OTEL)},process_runtime_version", 'process_runtime_name="go"', namespace=_OTEL[0]
    ),
    "otel_settings": _otel_settings,
    "resources": _instant(names.RESOURCES, f"{_GROUP},resource", 'resource=~"cpu|memory"'),
    "pod_resources": _instant(names.POD_RESOURCES, f"{_POD},resource", 'resource=~"cpu|memory"'),
    "enforced": _instant(names.ENFORCED, _GROUP, _APP),
    "owner": _owner,
    "upper_owner": _upper_owner,
    "nodes": _nodes,
    "oom": _oom,
    "cgtune_kills": _cgtune_kills,
    "restarts": _restarts,
    "history": _history,
    "cpu_p50": _cpu(0.5),
    "cpu_p95": _cpu(0.95),
    "cpu_most": _cpu(None),
    "memory_p95": _memory(0.95),
    "memory_most": _memory(None),
    "throttled_p50": _throttled(0.5),
    "throttled_most": _throttled(None),
    "live_heap": _live_heap,
    "gc_share": _gc_share,
}
