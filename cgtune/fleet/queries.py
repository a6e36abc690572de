"""What is asked of a Prometheus, Thanos, Mimir or VictoriaMetrics about a fleet, in instant queries. Pure.

They are 23 at the most, whatever its size, with the two of the probe; and one more if use over time is drawn.

First comes the probe: which of the series are there, which labels they lack, and which reach back. Then each question about which there is
a series. Each groups by (cluster, namespace, pod, container), so that two replicas of kube-state-metrics and several jobs make one row. It
groups at the end: an engine that groups at each step of a history takes twice the time. So of a container that was made anew the highest
quantile counts.

History is asked for in subqueries of bounded steps: 2016 points at the most for what must miss no peak, and 336 for quantiles. Two
quantiles of one history are one question (see pairs). The series of deploy/prometheus/cgtune-fleet.rules.yaml are read instead of the raw
ones if they reach back to the begin of the window.

Not covered: use that an OpenTelemetry collector measures (kubeletstats), whose series have other labels; containers without a name.
"""

from __future__ import annotations

from cgtune.fleet import histories, names
from cgtune.fleet.asked import Asking
from cgtune.fleet.histories import APP, GROUP, MEDIAN
from cgtune.fleet.model import Query
from cgtune.fleet.pairs import over_pair, varying

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cgtune.fleet.asked import Asked
    from cgtune.fleet.histories import Build
    from cgtune.fleet.probe import Seen

MOST_QUERIES = 24
#: The question whose answer is a series for each container: it is asked if somebody draws it.
OVER_TIME = "over_time"
_POD = "cluster,namespace,pod"
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

    def put(name: str, build: Build) -> Query | None:
        parts = build(ask, present, recorded)
        return Query(name=name, promql=" or ".join(parts), is_range=name == OVER_TIME) if parts else None

    found = []
    for name, build in _QUESTIONS.items():
        query = put(name, build)
        if query is not None and name in _PAIRS:
            history, figures = _PAIRS[name]
            apart = tuple(filter(None, (put(f"{name}_{figure}", history(quantile)) for figure, quantile in figures.items())))
            query = query.replace(promql=over_pair(query.promql), is_range=True, apart=apart)
        found.append(query)
    return tuple(filter(None, found))


def narrow(query: Query, asked: Asked, seen: Iterable[Seen] | None, namespaces: tuple[str, ...]) -> Query | None:
    """The same question about these namespaces alone, "" for series without one; None: it cannot be put so.

    The probe is about labels that may be missing, and what OpenTelemetry exports may be of namespaces that no other series knows.
    """
    parts = build_queries(asked.replace(namespaces=namespaces), seen)
    each = (one for part in parts for one in (part, *part.apart))
    return next((part for part in each if part.name == query.name and query.name not in ("otel", "otel_settings")), None)


def _instant(metrics: tuple[str, ...], labels: str, *matchers: str, namespace: str | None = "namespace", lately: bool = False) -> Build:
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
        parts.append(histories.named(name, f"max by ({labels}) ({joined})"))
    return parts


def _owner(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """2: the pod is there now. 1: it was in the window."""
    name, kept = names.OWNERS[0], names.RECORDED_OWNER
    if name not in present:
        return []
    by, ever = f"max by ({_POD},owner_kind,owner_name)", ask.selector(kept if kept in recorded else name)
    return [f"2 * {by} ({ask.selector(name)})", f"{by} (last_over_time({ask.over(ever, ask.steps.state)}))", *_upper_owner(ask, present)]


def _upper_owner(ask: Asking, present: frozenset[str]) -> list[str]:
    """Who owns an owner: these have no pod."""
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
    now = [histories.named("restarts_now", histories.most(ask.selector(restarts)))]
    killed = ask.selector(reason, 'reason="OOMKilled"')
    return [*now, histories.named("oom", histories.most(f"max_over_time({killed}[{ask.window}])"))] if reason in present else now


#: What a paired question is of, its two figures in their order, and how each is asked for by itself.
_PAIRS: dict[str, tuple[Callable[[str | None], Build], dict[str, str | None]]] = {
    "cpu": (histories.cpu, {"p50": MEDIAN, "p95": "0.95"}),
    "memory": (histories.memory, {"p50": MEDIAN, "p95": "0.95"}),
    "throttled": (histories.throttled, {"p50": MEDIAN, "most": None}),
    "restarts": (histories.restarts, {"least": "0", "most": None}),
}
_QUESTIONS: dict[str, Build] = {
    "cgtune": _instant(names.CGTUNE, f"{GROUP},workload,go_version,container_aware", lately=True),
    "client_golang": _instant(names.CLIENT_GOLANG, f"{GROUP},version", lately=True),
    "otel": _instant(
        ("target_info",), f"cluster,{','.join(_OTEL)},process_runtime_version", 'process_runtime_name="go"', namespace=_OTEL[0], lately=True
    ),
    "otel_settings": _otel_settings,
    "resources": _instant(names.RESOURCES, f"{GROUP},resource", 'resource=~"cpu|memory"'),
    "pod_resources": _instant(names.POD_RESOURCES, f"{_POD},resource", 'resource=~"cpu|memory"'),
    "enforced": _instant(names.ENFORCED, GROUP, APP),
    "owner": _owner,
    "nodes": _nodes,
    "cgtune_kills": _cgtune_kills,
    "states": _states,
    "history": histories.history,
    "cpu": histories.cpu(varying(0.5, 0.95)),
    "cpu_most": histories.cpu(None),
    "memory": histories.memory(varying(0.5, 0.95)),
    "memory_most": histories.memory(None),
    "recent": histories.recent,
    "throttled": histories.throttled(varying(0.5, 1)),
    "restarts": histories.restarts(varying(0, 1)),  # behind those that show whether an engine takes pairs
    "live_heap": histories.live_heap,
    "gc_share": histories.gc_share,
    OVER_TIME: histories.over_time,
}
