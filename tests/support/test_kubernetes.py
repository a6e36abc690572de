"""The harness that holds manifests against Kubernetes: it lets good objects pass and finds what is wrong with bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import kubernetes

_POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "shop"},
    "spec": {
        "shareProcessNamespace": True,
        "initContainers": [{"name": "cgtune", "image": "cgtune", "restartPolicy": "Always"}],
        "containers": [{"name": "shop", "image": "shop"}],
    },
}
_MONITOR: dict[str, Any] = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PodMonitor",
    "metadata": {"name": "cgtune"},
    "spec": {"selector": {"matchLabels": {"app": "cgtune"}}, "podMetricsEndpoints": [{"port": "metrics", "interval": "30s"}]},
}


@pytest.mark.parametrize("version", [kubernetes.OLDEST, kubernetes.NEWEST])
@pytest.mark.parametrize("good", [_POD, _MONITOR], ids=["Pod", "PodMonitor"])
@pytest.mark.fetched
def test_a_good_object_passes(good: dict[str, Any], version: str) -> None:
    """A pod with a sidecar container, and a PodMonitor, are valid in the oldest and the newest Kubernetes that we know."""
    assert kubernetes.violations(good, version) == []


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (_POD | {"spec": _POD["spec"] | {"sharedProcessNamespace": True}}, "sharedProcessNamespace"),
        (_POD | {"spec": _POD["spec"] | {"shareProcessNamespace": "yes"}}, "yes"),
        (_POD | {"apiVersion": "v2"}, "knows no Pod of v2"),
        (_MONITOR | {"metadata": {"nam": "cgtune"}}, "nam"),
        (_MONITOR | {"spec": _MONITOR["spec"] | {"podMetricsEndpoints": [{"port": 9464}]}}, "9464"),
        (_MONITOR | {"spec": _MONITOR["spec"] | {"podMetricsEndpoints": [{"interval": "30"}]}}, "30"),
    ],
    ids=["unknown field", "wrong type", "unknown kind", "unknown metadata", "operator: wrong type", "operator: no duration"],
)
@pytest.mark.fetched
def test_a_bad_object_is_told(bad: dict[str, Any], word: str) -> None:
    """A field that Kubernetes does not know, a value of the wrong type, and a kind without a schema are violations, each with its word."""
    (told,) = kubernetes.violations(bad)
    assert word in told


def test_a_key_that_stands_twice_is_refused() -> None:
    """YAML's last-one-wins is not ours: the API server refuses such an object too."""
    with pytest.raises(AssertionError, match="twice"):
        kubernetes.read_objects("kind: Pod\nkind: Job\n")


@pytest.mark.parametrize(("name", "word"), [("kubectl", "v1.37"), ("helm", "v4.")])
@pytest.mark.fetched
def test_the_tools_are_real(name: str, word: str) -> None:
    """kubectl and helm run and say their version."""
    done = kubernetes.run(name, "version", *(["--client"] if name == "kubectl" else []))
    assert done.returncode == 0, done.stderr
    assert word in done.stdout
