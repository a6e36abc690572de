"""The doctor names what is missing, and the line that mends it."""

from __future__ import annotations

import pytest

from cgtune.fleet import names
from cgtune.fleet.doctor import diagnose
from cgtune.fleet.probe import Seen


def _healthy() -> list[Seen]:
    return [Seen(name=name, series=5) for name in names.PROBED] + [Seen(name=name, series=5, is_at_begin=True) for name in names.RECORDED]


def test_nothing_is_told_of_what_lacks_nothing() -> None:
    """Every series there, with every label."""
    assert diagnose(_healthy()) == ()


def test_an_empty_engine_lacks_the_three_sources() -> None:
    """Who runs Go, what is used, what is written; and that may be so because it has stopped to get samples."""
    whys = [each.why for each in diagnose(())]
    assert [why.partition(":")[0] for why in whys] == [
        "none of the series that are read has a sample of the last 5 minutes",
        "no series tells which containers run Go",
        "no container_cpu_usage_seconds_total",
        "no kube-state-metrics",
    ]


@pytest.mark.parametrize(
    ("left_out", "mend"),
    [
        ((*names.THROTTLED, *names.PERIODS), "cAdvisorMetricRelabelings (kube-prometheus-stack): take container_cpu_cfs_"),
        ((*names.ENFORCED, "cgtune_cpu_limit_cores"), "take container_spec_cpu_"),
        (("kube_replicaset_owner",), "--resources=pods,replicasets"),
        (names.POD_RESOURCES, "/metrics/resources of kube-scheduler"),
        (("go_sched_gomaxprocs_threads", "cgtune_gomaxprocs_observed"), "client_golang v1.20.0"),
        (names.RECORDED, "cgtune-fleet.rules.yaml"),
        (names.STATES, "--metric-denylist"),
        (names.NODES, "--resources=pods,replicasets,jobs,nodes"),
        (names.LIVE_HEAP, "collectors.MetricsGC"),
        (names.GC_SECONDS, "/cpu/classes/"),
    ],
)
def test_what_is_left_out_is_named(left_out: tuple[str, ...], mend: str) -> None:
    """That alone, with its line of configuration."""
    (found,) = diagnose(each for each in _healthy() if each.name not in left_out)
    assert mend in found.mend


@pytest.mark.parametrize(
    ("seen", "mend"),
    [
        (Seen(name="go_info", series=3, has_pod=False), "target_label: pod}]"),
        (Seen(name="go_info", series=3, has_container=False), "target_label: container}]"),
        (
            Seen(name="kube_pod_owner", series=3, job="ksm", is_exported=True),
            "honor_labels: true (honorLabels of a ServiceMonitor or PodMonitor) for job ksm",
        ),
        (Seen(name="container_memory_working_set_bytes", series=3, has_pod=False, is_otel=True), "k8s_{namespace,pod,container}_name"),
    ],
)
def test_labels_that_are_missing_are_named(seen: Seen, mend: str) -> None:
    """With how many series lack them."""
    assert [(each.count, mend in each.mend) for each in diagnose([*_healthy(), seen]) if "GOMAXPROCS" not in each.why] == [(3, True)]


def test_a_cluster_label_on_some() -> None:
    """All or none have it, else what has none is told."""
    named = [each.replace(cluster="eu1") for each in _healthy() if not each.is_at_begin]
    back = [each for each in _healthy() if each.is_at_begin]
    assert diagnose([*named, *back]) == ()
    (found,) = diagnose([*named, *back, Seen(name="kube_pod_owner", series=4)])
    assert (found.count, "external_labels" in found.mend) == (4, True)
