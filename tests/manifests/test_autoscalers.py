"""What a VerticalPodAutoscaler of the input changes in containers that run."""

from __future__ import annotations

import pytest

from cgtune.manifests import read_text

OBJECT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      containers:
      - {name: web, image: i}
      - {name: log, image: i, resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]}
---
apiVersion: autoscaling.k8s.io/v1
kind: VerticalPodAutoscaler
metadata: {name: scaler, namespace: shop}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
"""
IN_PLACE = "  updatePolicy: {updateMode: InPlaceOrRecreate}\n"
BOOST = "  startupBoost: {cpu: {type: Factor, factor: 3}}\n"


def policy(words: str) -> str:
    """The policy of one container."""
    return f"  resourcePolicy: {{containerPolicies: [{{{words}}}]}}\n"


@pytest.mark.parametrize(
    ("spec", "web", "log"),
    [
        ("", "", ""),
        ("  updatePolicy: {updateMode: Recreate}\n", "", ""),
        (IN_PLACE, "cpu memory", "cpu"),
        ("  updatePolicy: {updateMode: InPlace}\n", "cpu memory", "cpu"),
        (BOOST, "cpu", "cpu"),
        ("  updatePolicy: {updateMode: 'Off'}\n" + BOOST, "", ""),
        (IN_PLACE + policy("containerName: web, mode: 'Off'"), "", "cpu"),
        (IN_PLACE + policy("containerName: '*', controlledValues: RequestsOnly"), "", ""),
        (IN_PLACE + policy("containerName: web, controlledResources: [memory]"), "memory", "cpu"),
        (policy("containerName: web, startupBoost: {cpu: {type: Factor}}"), "cpu", ""),
        (policy("containerName: {}, controlledResources: 7"), "", ""),
    ],
)
def test_an_autoscaler_changes_what_it_controls(spec: str, web: str, log: str) -> None:
    """In place alone, limits alone, and not where the container's own policy asks for a restart."""
    found = [one for read in read_text("a.yaml", OBJECT + spec) for one in read.workloads]
    assert [" ".join(each.resource for each in one.resizes if each.by) for one in found] == [web, log]
    for one in found:
        for resize in one.resizes:
            assert resize.by in (None, "the VerticalPodAutoscaler scaler")
            assert resize.by is None or resize.place.line >= 14


def test_an_autoscaler_of_something_else_is_nothing_to_it() -> None:
    """The kind, the namespace and the name have to be the object's."""
    for old, new in (
        ("kind: Deployment, name", "kind: StatefulSet, name"),
        ("scaler, namespace: shop", "scaler"),
        ("name: web}\n", "name: w}\n"),
    ):
        text = (OBJECT + IN_PLACE).replace(old, new)
        assert text != OBJECT + IN_PLACE
        assert not [each for read in read_text("a.yaml", text) for one in read.workloads for each in one.resizes if each.by]
