"""Answers become rows: by owner, from the source that is trusted most; and what belongs to no row is counted."""

from __future__ import annotations

import math

import pytest

from cgtune.fleet.gaps import gap
from cgtune.fleet.joining import Joined, join
from cgtune.fleet.model import Answer, Measured, Query, Sample
from cgtune.fleet.probe import Seen

APP = {"namespace": "shop", "pod": "web-5d4f8c7b9d-x2vlq", "container": "app"}
LIMITS, REQUESTS = "kube_pod_container_resource_limits", "kube_pod_container_resource_requests"


def _join(answers: dict[str, list[tuple[dict[str, str], float]]], seen: tuple[Seen, ...] = ()) -> Joined:
    return join(
        (
            Answer(
                query=Query(name=name, promql=name),
                samples=tuple(Sample(labels=tuple(sorted(labels.items())), value=value) for labels, value in samples),
            )
            for name, samples in answers.items()
        ),
        seen,
    )


def _go(name: str = "go_info", value: float = 1, **more: str) -> tuple[dict[str, str], float]:
    version = {"version": "go1.25.5"} if name == "go_info" else {}
    return {"__name__": name, **APP, **version, **more}, value


def _only(joined: Joined) -> Measured:
    ((_, measured),) = joined.rows
    return measured


def _owner(value: float = 2, **more: str) -> tuple[dict[str, str], float]:
    owner = {"owner_kind": "ReplicaSet", "owner_name": "web-5d4f8c7b9d"}
    return {"namespace": "shop", "pod": APP["pod"], **owner, **more}, value


_UPPER = ({"namespace": "shop", "replicaset": "web-5d4f8c7b9d", "owner_kind": "Deployment", "owner_name": "web"}, 1.0)


def test_a_pod_is_of_its_deployment() -> None:
    """Through its ReplicaSet; without that answer by the pod's name, and without any owner by the name alone, which is counted."""
    for answers, kind in (
        ({"owner": [_owner(), _UPPER]}, "Deployment"),
        ({"owner": [_owner()]}, "Deployment"),
        ({"owner": []}, ""),
    ):
        joined = _join({"client_golang": [_go()], **answers})
        ((key, _),) = joined.rows
        assert (key.namespace, key.kind, key.name, key.container) == ("shop", kind, "web", "app")
        owners = [each for each in joined.not_joined if each.why.startswith("pods without kube_pod_owner")]
        assert [each.count for each in owners] == ([] if kind else [1])


def test_a_pod_without_controller_and_a_cronjob() -> None:
    """The first stands for itself; the second is above its Job."""
    pod = {"namespace": "shop", "pod": "tool", "owner_kind": "<none>", "owner_name": "<none>"}
    job = {"namespace": "shop", "pod": "nightly-28391234-x2vlq", "owner_kind": "Job", "owner_name": "nightly-28391234"}
    above = {"namespace": "shop", "job_name": "nightly-28391234", "owner_kind": "CronJob", "owner_name": "nightly"}
    joined = _join(
        {
            "client_golang": [_go(pod="tool"), _go(pod="nightly-28391234-x2vlq")],
            "owner": [(pod, 2.0), (job, 2.0), (above, 1.0)],
        }
    )
    assert [(key.kind, key.name) for key, _ in joined.rows] == [("CronJob", "nightly"), ("Pod", "tool")]


def test_history_is_of_all_pods_and_settings_of_those_of_now() -> None:
    """A pod that a deploy ended has used more, with other settings: its use counts, its settings do not, and it is no replica."""
    old = "web-6b7c8d9f4-7kqzt"
    measured = _only(
        _join(
            {
                "client_golang": [
                    *(_go(), _go(pod=old, version="go1.24.1")),  # what a program said in the last hour is told
                    *(_go("go_sched_gomaxprocs_threads", 2), _go("go_sched_gomaxprocs_threads", 64, pod=old)),
                ],
                "owner": [
                    *(_owner(), _owner(1, pod=old, owner_name="web-6b7c8d9f4")),
                    *(_UPPER, ({**_UPPER[0], "replicaset": "web-6b7c8d9f4"}, 1.0)),
                ],
                "cpu_most": [
                    ({**APP, "of": "container_cpu_usage_seconds_total"}, 0.5),
                    ({**APP, "pod": old, "of": "container_cpu_usage_seconds_total"}, 3.0),
                ],
                "history": [({**APP, "of": "age"}, 3600.0), ({**APP, "pod": old, "of": "age"}, 7200.0), ({**APP, "of": "points"}, 7.0)],
            }
        )
    )
    assert (measured.replicas, measured.go, measured.most_procs, measured.cpu_used.most) == (1, ("1.25.5",), 2, 3.0)
    assert (measured.history_seconds, measured.samples) == (7200.0, 7)


def test_replicas_are_pods_with_a_program() -> None:
    """A Job's pod that is done stays in kube-state-metrics; one that is not Go by its own word has limits that cadvisor sees."""
    done, silent = "web-5d4f8c7b9d-7kqzt", "web-5d4f8c7b9d-8kqzt"
    answers = {
        "client_golang": [_go()],
        "owner": [_owner(), _owner(pod=done), _owner(pod=silent), _UPPER],
        "resources": [({"__name__": LIMITS, **APP, "pod": pod, "resource": "cpu"}, 2.0) for pod in (APP["pod"], done, silent)],
        "enforced": [({"__name__": "container_spec_cpu_period", **APP, "pod": silent}, 1e5)],
    }
    assert _only(_join(answers)).replicas == 2


def test_the_source_that_is_trusted_most_tells() -> None:
    """cgtune's own series before the program's, what is enforced before what is written, and the name of the series is told."""
    answers = {
        "client_golang": [_go(), _go("go_sched_gomaxprocs_threads", 4), _go("go_gc_gomemlimit_bytes", 1e8)],
        "resources": [({"__name__": LIMITS, **APP, "resource": "cpu"}, 2.0), ({"__name__": LIMITS, **APP, "resource": "memory"}, 1e9)],
    }
    measured = _only(_join(answers))
    assert (measured.most_procs, measured.cpu_limit_cores, measured.memory_limit_bytes, measured.is_resized) == (4, 2.0, 10**9, False)
    assert measured.sources == ("client_golang", "ksm")
    enforced = [({"__name__": "container_spec_cpu_quota", **APP}, 1e5), ({"__name__": "container_spec_cpu_period", **APP}, 1e5)]
    measured = _only(_join({**answers, "enforced": enforced}))
    assert (measured.cpu_limit_cores, measured.is_resized) == (1.0, True)
    own = [
        ({"__name__": "cgtune_go_info", **APP, "workload": "web", "go_version": "1.25.6", "container_aware": "false"}, 1.0),
        ({"__name__": "cgtune_gomaxprocs_observed", **APP, "workload": "web"}, 3.0),
        ({"__name__": "cgtune_gomemlimit_observed_bytes", **APP, "workload": "web"}, math.inf),
        ({"__name__": "cgtune_cpu_limit_cores", **APP, "workload": "web"}, math.inf),
    ]
    measured = _only(_join({**answers, "enforced": enforced, "cgtune": own}))
    assert (measured.go, measured.is_aware, measured.most_procs) == (("1.25.6",), False, 3)
    assert (measured.is_gomemlimit_off, measured.gomemlimit_bytes) == (True, None)
    assert (measured.is_cpu_unlimited, measured.cpu_limit_cores) == (True, None)
    assert dict(measured.series)["most_procs"] == "cgtune_gomaxprocs_observed"
    assert dict(measured.series)["memory_limit_bytes"] == LIMITS


def test_use_is_cadvisors_if_both_tell() -> None:
    """In whatever order they come."""
    cadvisor = ({**APP, "of": "container_memory_working_set_bytes"}, 100.0)
    own = ({**APP, "of": "cgtune_memory_used_bytes"}, 500.0)
    for samples in ([cadvisor, own], [own, cadvisor]):
        measured = _only(_join({"client_golang": [_go()], "memory_most": samples}))
        assert measured.memory_used.most == 100.0
        assert dict(measured.series)["memory_used"] == "container_memory_working_set_bytes"


def test_off_is_off_though_engines_round_it() -> None:
    """Go's 2^63 - 1 and 2^64 - 1, as Prometheus and as VictoriaMetrics store them."""
    for unset, off in ((9.223372036854775807e18, 1.8446744073709552e19), (9223372036854774784.0, 18446744073709548000.0)):
        measured = _only(_join({"client_golang": [_go(), _go("go_gc_gomemlimit_bytes", unset), _go("go_gc_gogc_percent", off)]}))
        assert (measured.is_gomemlimit_off, measured.gomemlimit_bytes, measured.gogc) == (True, None, -1)


def test_no_limit_is_known_or_not() -> None:
    """kube-state-metrics that tells of a container without limit, or cadvisor with a period and no quota: there is none. Else unknown."""
    assert not _only(_join({"client_golang": [_go()]})).is_cpu_unlimited
    measured = _only(_join({"client_golang": [_go()], "resources": [({"__name__": REQUESTS, **APP, "resource": "cpu"}, 1.0)]}))
    assert (measured.is_cpu_unlimited, measured.is_memory_unlimited, measured.cpu_request_cores) == (True, True, 1.0)
    enforced = [({"__name__": "container_spec_cpu_period", **APP}, 1e5), ({"__name__": "container_spec_memory_limit_bytes", **APP}, 0.0)]
    enforced.append(({"__name__": "container_spec_cpu_shares", **APP}, 1522.0))
    measured = _only(_join({"client_golang": [_go()], "enforced": enforced}))
    assert (measured.is_cpu_unlimited, measured.is_memory_unlimited, measured.cpu_shares) == (True, True, 1522)
    assert ("cpu_shares", "container_spec_cpu_shares") in measured.series


def test_a_limit_of_the_pod_is_for_containers_if_none_has_one() -> None:
    """kube-scheduler's series of a pod is the sum of its containers' if one has a limit: then it says nothing of the other."""
    whole = ({"__name__": "kube_pod_resource_limit", "namespace": "shop", "pod": APP["pod"], "resource": "memory"}, 1e9)
    request = {"__name__": REQUESTS, **APP, "resource": "cpu"}
    measured = _only(_join({"client_golang": [_go()], "resources": [(request, 1.0)], "pod_resources": [whole]}))
    assert (measured.memory_limit_bytes, measured.is_memory_unlimited) == (10**9, False)
    sidecar = ({"__name__": LIMITS, **APP, "container": "proxy", "resource": "memory"}, 1e9)
    measured = _only(_join({"client_golang": [_go()], "resources": [(request, 1.0), sidecar], "pod_resources": [whole]}))
    assert (measured.memory_limit_bytes, measured.is_memory_unlimited) == (None, True)


def test_without_a_container_label_the_only_container_is_meant() -> None:
    """In a pod of one container; in a pod of two it is counted, with what mends it."""
    loose = _go()
    del loose[0]["container"]
    one = ({"__name__": REQUESTS, **APP, "resource": "cpu"}, 1.0)
    ((key, _),) = _join({"client_golang": [loose], "resources": [one]}).rows
    assert key.container == "app"
    joined = _join({"client_golang": [loose], "resources": [one, ({**one[0], "container": "proxy"}, 1.0)]})
    assert joined.rows == ()
    (missed,) = joined.not_joined
    assert (missed.count, "no container label" in missed.why, "__meta_kubernetes_pod_container_name" in missed.mend) == (1, True, True)


def test_what_has_no_pod_is_counted_by_the_probe() -> None:
    """A grouped answer has one sample for three programs."""
    joined = _join({"client_golang": [({"__name__": "go_info"}, 1.0)]}, (Seen(name="go_info", series=3, has_pod=False),))
    assert (joined.rows, [each.count for each in joined.not_joined]) == ((), [3])


def test_clusters() -> None:
    """One name is everybody's. Of several, what names none is not joined."""
    use = ({**APP, "of": "container_cpu_usage_seconds_total"}, 1.0)
    ((key, measured),) = _join({"client_golang": [_go(cluster="eu1")], "cpu_most": [use]}).rows
    assert (key.cluster, measured.cpu_used.most) == ("eu1", 1.0)
    joined = _join({"client_golang": [_go(cluster="eu1"), _go(cluster="us1")], "cpu_most": [use]})
    assert [key.cluster for key, _ in joined.rows] == ["eu1", "us1"]
    assert all(measured.cpu_used.most is None for _, measured in joined.rows)
    assert any("without a cluster label" in each.why for each in joined.not_joined)


def test_otel_names_are_read() -> None:
    """The version from target_info, settings by their join with it."""
    names = {"k8s_namespace_name": "shop", "k8s_pod_name": APP["pod"], "k8s_container_name": "app"}
    info = ({"__name__": "target_info", **names, "process_runtime_version": "go1.26.1"}, 1.0)
    measured = _only(_join({"otel": [info], "otel_settings": [({**names, "of": "go_processor_limit"}, 8.0)]}))
    assert (measured.go, measured.most_procs, measured.sources) == (("1.26.1",), 8, ("otel",))


def test_kills_are_at_least_so_many() -> None:
    """A last end that was a kill counts if there was a restart in the window, or nobody knows; cgtune's own count if it is larger."""

    def kills(oom: float, restarts: float | None, own: float | None = None) -> int | None:
        states = [({**APP, "of": "oom"}, oom)] + ([] if restarts is None else [({**APP, "of": "restarts_now"}, restarts + 7)])
        most, least = ([] if restarts is None else [(APP, count)] for count in (8.0, 7.0))
        counted = {} if own is None else {"cgtune_kills": [({"namespace": "shop", "workload": "web"}, own)]}
        return _only(_join({"client_golang": [_go()], "states": states, "restarts_least": least, "restarts_most": most, **counted})).kills

    assert [kills(1, 2), kills(1, 0), kills(0, 3), kills(1, None), kills(1, 2, 4.9)] == [1, 0, 0, 1, 5]
    assert _only(_join({"client_golang": [_go()]})).kills is None


def test_restarts_are_from_the_least_to_now() -> None:
    """Of a pod that is gone to the most; one that no step has met began at 0; without an answer about the window nothing is known."""

    def restarts(**told: float) -> int | None:
        answers = {name: [({**APP, "of": name}, told[name])] if name in told else [] for name in ("restarts_least", "restarts_most")}
        now = [({**APP, "of": "restarts_now"}, told["now"])] if "now" in told else []
        return _only(_join({"client_golang": [_go()], "states": now, **answers})).restarts

    assert restarts(now=9, restarts_least=7, restarts_most=8) == 2
    assert restarts(restarts_least=7, restarts_most=8) == 1
    assert restarts(now=3) == 3
    assert restarts(now=1, restarts_least=7, restarts_most=8) == 0
    assert _only(_join({"client_golang": [_go()], "states": [({**APP, "of": "restarts_now"}, 3.0)]})).restarts is None


def test_what_rules_keep_is_of_the_source_that_it_is_made_of() -> None:
    """Not of cgtune, whose name they bear; and cgtune's own live heap is believed before one that was kept of the program's."""
    kept = "cgtune_fleet:heap_live_bytes:max5m"
    answers = {
        "client_golang": [_go()],
        "cpu_most": [({**APP, "of": "cgtune_fleet:cpu_cores:rate5m"}, 0.5)],
        "live_heap": [({**APP, "of": kept}, 7.0)],
    }
    measured = _only(_join(answers))
    assert (measured.sources, measured.live_heap_bytes) == (("cadvisor", "client_golang"), 7)
    for own in (
        [({**APP, "of": "cgtune_go_heap_live_bytes"}, 5.0), *answers["live_heap"]],
        [*answers["live_heap"], ({**APP, "of": "cgtune_go_heap_live_bytes"}, 5.0)],
    ):
        measured = _only(_join({**answers, "live_heap": own}))
        assert (measured.live_heap_bytes, dict(measured.series)["live_heap_bytes"]) == (5, "cgtune_go_heap_live_bytes")


def test_merged_settings_and_processes_outside_are_counted() -> None:
    """cgtune adds a workload's GOMAXPROCS up: no replica has that. A systemd service is in no cluster."""
    merged = ({"__name__": "cgtune_gomaxprocs_observed", "namespace": "shop", "workload": "web"}, 24.0)
    outside = ({"__name__": "cgtune_go_info", "workload": "cart.service", "go_version": "1.25.6"}, 1.0)
    joined = _join({"cgtune": [merged, outside], "client_golang": [_go()]})
    assert _only(joined).most_procs is None
    assert {each.count for each in joined.not_joined if "cgtune serve" in each.why} == {1}
    assert sum("cgtune serve" in each.why for each in joined.not_joined) == 3


def test_who_has_no_place_is_counted() -> None:
    """Without a pod the probe alone tells; without a namespace the answer does. A pod that names no container at all is one row."""
    seen = (Seen(name="go_info", series=4, job="static", has_pod=False), Seen(name="kube_pod_owner", series=2, job="ksm", is_exported=True))
    unplaced = ({"__name__": "go_info", "pod": "web-5d4f8c7b9d-x2vlq", "version": "go1.25.5"}, 1.0)
    bare = ({"__name__": "go_info", "namespace": "shop", "pod": "web-5d4f8c7b9d-x2vlq", "version": "go1.25.5"}, 1.0)
    joined = _join({"client_golang": [unplaced, bare]}, seen)
    ((key, measured),) = joined.rows
    assert (key.name, key.container, measured.go) == ("web", "", ("1.25.5",))
    whys = {each.why.partition(":")[0]: each.count for each in joined.not_joined}
    assert whys["Go programs of job static whose series have no pod label"] == 4
    assert whys["series of job ksm that are not read"] == 2
    assert whys["Go programs whose series have no namespace label"] == 1


def test_what_is_not_judged_without_a_look_at_the_node_is_said() -> None:
    """Of how many containers: GODEBUG, ancestors and cgroup v1 are in no series but those of `cgtune serve`."""
    whys = {each.why.partition(":")[0]: each.count for each in _join({"client_golang": [_go(), _go(container="other")]}).not_joined}
    assert whys["Go containers without cgtune serve"] == 2
    joined = _join({"cgtune": [_go("cgtune_go_info", go_version="go1.25.5")], "client_golang": [_go()]})
    assert not any("without cgtune serve" in each.why for each in joined.not_joined)


def test_nan_and_an_error_tell_nothing() -> None:
    """A refused answer is none."""
    measured = _only(_join({"client_golang": [_go()], "cpu_most": [({**APP, "of": "container_cpu_usage_seconds_total"}, math.nan)]}))
    assert measured.cpu_used.most is None
    assert join([Answer(query=Query(name="client_golang", promql=""), error="503")]).rows == ()


def test_a_value_that_no_machine_can_have_is_not_read_and_counted() -> None:
    """Of a broken exporter, or of one that lies: the row is made without it, and no limit is taken for none because of it."""
    inf, nan = math.inf, math.nan
    for name, bad in (
        ("go_sched_gomaxprocs_threads", (inf, nan, 0.0, -3.0, 1e300)),
        ("go_gc_gomemlimit_bytes", (inf, nan, -1.0, 1e30)),
        ("go_gc_gogc_percent", (-inf, nan, -1.0)),
    ):
        for value in bad:
            joined = _join({"client_golang": [_go(), _go(name, value)]})
            measured = _only(joined)
            assert (measured.most_procs, measured.gomemlimit_bytes, measured.is_gomemlimit_off, measured.gogc) == (None, None, False, None)
            (told,) = (each for each in joined.not_joined if "no machine can have" in each.why)
            assert (told.count, name in told.why, name in told.mend) == (1, True, True)
    enforced = [({**APP, "__name__": "container_spec_cpu_period"}, 1e5), ({**APP, "__name__": "container_spec_cpu_quota"}, 1e200)]
    written = [({**APP, "__name__": LIMITS, "resource": "memory"}, inf), ({**APP, "__name__": LIMITS, "resource": "cpu"}, nan)]
    measured = _only(_join({"client_golang": [_go()], "enforced": enforced, "resources": written, "nodes": [(APP, 1e300)]}))
    assert (measured.is_cpu_unlimited, measured.is_memory_unlimited, measured.node_cpus) == (False, False, None)
    restarts: dict[str, float] = {"restarts_now": 9, "restarts_least": 7, "restarts_most": 9}
    for name in restarts:
        for value in (inf, nan, -3.0, 1e300):
            answers = {key: [({**APP, "of": key}, number)] for key, number in {**restarts, name: value, "oom": inf}.items()}
            joined = _join({"client_golang": [_go()], **answers, "states": [*answers["restarts_now"], *answers["oom"]]})
            assert (_only(joined).restarts, _only(joined).kills) == (None, 0)


@pytest.mark.parametrize("bad", [math.inf, math.nan, -1.0, 1e300])
def test_an_impossible_figure_of_a_pair_is_not_believed(bad: float) -> None:
    """The other one is; a million CPUs are as impossible as they are anywhere."""
    cpu, memory = ({**APP, "of": series} for series in ("container_cpu_usage_seconds_total", "container_memory_working_set_bytes"))
    share = {**APP, "of": "container_cpu_cfs_throttled_periods_total"}
    figures = {"cpu": (cpu, "p50", "p95"), "memory": (memory, "p50", "p95"), "throttled": (share, "p50", "most")}
    for name, (labels, one, other) in figures.items():
        joined = _join({"client_golang": [_go()], f"{name}_{one}": [(labels, 0.25)], f"{name}_{other}": [(labels, bad)]})
        span = getattr(_only(joined), name if name == "throttled" else f"{name}_used")
        assert (span.p50, span.p95, span.most) == (0.25, None, None)
        (told,) = (each for each in joined.not_joined if "no machine can have" in each.why)
        assert labels["of"] in told.why


def test_infinite_is_no_limit_if_cgtune_says_so() -> None:
    """That is how `cgtune serve` has it; a quota of -1 is cadvisor's word for it, and 0 Kubernetes'."""
    soft = ("cgtune_gomemlimit_observed_bytes", "cgtune_gogc_observed_percent", "cgtune_cpu_limit_cores", "cgtune_memory_limit_bytes")
    measured = _only(_join({"cgtune": [_go("cgtune_go_info", go_version="go1.25.5"), *(_go(name, math.inf) for name in soft)]}))
    assert (measured.is_gomemlimit_off, measured.gogc, measured.is_cpu_unlimited, measured.is_memory_unlimited) == (True, -1, True, True)
    enforced = [({**APP, "__name__": "container_spec_cpu_period"}, 1e5), ({**APP, "__name__": "container_spec_cpu_quota"}, -1.0)]
    written = [({**APP, "__name__": LIMITS, "resource": resource}, 0.0) for resource in ("cpu", "memory")]
    joined = _join({"client_golang": [_go()], "enforced": enforced, "resources": written})
    assert (_only(joined).is_cpu_unlimited, _only(joined).is_memory_unlimited) == (True, True)
    assert not any("no machine can have" in each.why for each in joined.not_joined)


def test_what_is_throttled_has_a_limit_that_is_not_known() -> None:
    """Although kube-state-metrics tells of no limit, as of a pod that was resized: none is no claim to make then."""
    requests = [({**APP, "__name__": REQUESTS, "resource": "cpu"}, 1.0)]
    throttled = [({**APP, "of": "container_cpu_cfs_throttled_periods_total"}, 0.3)]
    asked = {"client_golang": [_go()], "resources": requests}
    assert _only(_join(asked)).is_cpu_unlimited
    measured = _only(_join({**asked, "throttled_p50": throttled, "throttled_most": throttled}))
    assert (measured.cpu_limit_cores, measured.is_cpu_unlimited) == (None, False)


_UNLOOKED = gap("unlooked", 1).why


def test_what_the_probe_saw_tells_why_something_is_missing() -> None:
    """Series of cadvisor's without the label, not a kubelet that nobody scrapes; and workloads that are told from names alone."""
    unnamed = (Seen(name="container_cpu_usage_seconds_total", series=9, has_container=False), Seen(name="go_info", series=1))
    whys = {each.why: each.count for each in _join({"client_golang": [_go()]}, unnamed).not_joined}
    assert whys == {
        "series of cadvisor's that have no container label: what containers use is not known": 9,
        "pods without kube_pod_owner: their workload is told from their name": 1,
        "Go containers of which no series tells the limits": 1,
        _UNLOOKED: 1,
    }
    named = (unnamed[0].replace(has_container=True), Seen(name="kube_pod_owner", series=1))  # that question was refused
    whys = {each.why: each.count for each in _join({"client_golang": [_go()]}, named).not_joined}
    limits, use = (f"Go containers of which no series tells the {what}" for what in ("limits", "use of CPU and memory"))
    assert [*whys] == [use, limits, _UNLOOKED]


def _series(what: str, values: dict[int, float], **more: str) -> Sample:
    return Sample(
        labels=tuple(sorted({**APP, "of": what, **more}.items())), value=0.0, times=tuple(map(float, values)), values=tuple(values.values())
    )


def test_use_over_time_is_that_of_the_busiest_replica() -> None:
    """At each time of those that were there, of the series that is believed first; what no machine can use is not read, and counted."""
    cpu, memory = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
    samples = (
        _series(cpu, {60: 1.0, 120: 2.0}),
        _series(cpu, {120: 3.0, 180: 0.5}, pod="web-5d4f8c7b9d-7kqzt"),
        _series("cgtune_cgroup_cpu_seconds_total", {60: 9.0}),
        _series(memory, {60: 5e8, 120: math.nan, 180: -1.0}),
        _series("cgtune_memory_used_bytes", {60: 6e8}, pod="web-5d4f8c7b9d-7kqzt"),
    )
    go = Answer(query=Query(name="client_golang", promql=""), samples=(Sample(labels=tuple(sorted(_go()[0].items())), value=1.0),))
    joined = join((go, Answer(query=Query(name="over_time", promql="", is_range=True), samples=samples)))
    measured = _only(joined)
    assert measured.cpu_track == ((60.0, 1.0), (120.0, 3.0), (180.0, 0.5))
    assert measured.memory_track == ((60.0, 6e8),)
    assert [each.count for each in joined.not_joined if f"values of {memory}" in each.why] == [1]
    swapped = join((go, Answer(query=Query(name="over_time", promql="", is_range=True), samples=samples[::-1])))
    assert swapped.rows == joined.rows
