"""What kustomize and the chart make of deploy/, for the tests of this folder."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support import kubernetes
from tests.support.command import ROOT

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "cgtune"
Object = dict[str, Any]

_WORKLOAD: Object = {
    "selector": {"matchLabels": {"app": "shop"}},
    "template": {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {"initContainers": [{"name": "migrate", "image": "migrate:1"}], "containers": [{"name": "shop", "image": "shop:1"}]},
    },
}


def _workload(kind: str, name: str, **labels: str) -> Object:
    more = {"serviceName": name} if kind == "StatefulSet" else {}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": _WORKLOAD | more}


@functools.cache
def kustomize(*components: str) -> tuple[Object, ...]:
    """The node agent without components; else a user's own kustomization with these, and workloads with and without the sidecar's label."""
    if not components:
        return tuple(kubernetes.render("kubectl", "kustomize", DEPLOY / "kustomize" / "node-agent"))
    workloads = [
        _workload(kind, f"with-{kind.lower()}", **{"cgtune-sidecar": "true"}) for kind in ("Deployment", "StatefulSet", "DaemonSet")
    ]
    workloads.append(_workload("Deployment", "without"))
    with tempfile.TemporaryDirectory() as folder:
        named = [os.path.relpath(DEPLOY / "kustomize" / each, os.path.realpath(folder)) for each in components]
        Path(folder, "workloads.yaml").write_text("\n---\n".join(map(json.dumps, workloads)))  # JSON is YAML
        image = {"name": "cgtune", "newName": "registry.example.com/cgtune", "newTag": "7"}
        Path(folder, "kustomization.yaml").write_text(json.dumps({"resources": ["workloads.yaml"], "components": named, "images": [image]}))
        return tuple(kubernetes.render("kubectl", "kustomize", folder))


# Each set of values that somebody could have, by what it is for.
VALUES: Mapping[str, Object] = {
    "as it comes": {},
    "everything on": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    },
    "everything different": {
        "image": {"repository": "registry.example.com/cgtune", "tag": "7", "pullPolicy": "Always", "pullSecrets": [{"name": "registry"}]},
        "serve": {
            "interval": "1m",
            "port": 9999,
            "logFormat": "text",
            "failOn": "critical",
            "ignore": ["fractional-quota", "oom-killed"],
            "extraEnv": [{"name": "CGTUNE_HEADROOM", "value": "15"}],
        },
        "nodeAgent": {
            "resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
            "tolerations": [],
            "nodeSelector": {"pool": "go"},
            "affinity": {"nodeAffinity": {}},
            "priorityClass": {"create": False, "name": "low"},
            "podAnnotations": {"note": "x"},
            "podLabels": {"team": "x"},
        },
        "sidecar": {"runAsUser": 1000, "runAsGroup": 1000},
        "podMonitor": {"enabled": True, "interval": "1m"},
    },
    "no node agent": {"nodeAgent": {"enabled": False}, "podMonitor": {"enabled": True}, "sidecar": {"anyUser": True}},
    "no priority class": {"nodeAgent": {"priorityClass": {"create": False}}, "sidecar": {"runAsUser": 0, "runAsGroup": 0}},
}


@functools.cache
def chart(values: str = "as it comes") -> tuple[Object, ...]:
    """What ``helm template`` makes of one of VALUES."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(VALUES[values], file)
        file.flush()
        return tuple(kubernetes.render("helm", "template", "watch", CHART, "--namespace", "tools", "--values", file.name))


_DEPLOYMENT_OF_A_CHART = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop, cgtune-sidecar: "true"}}
    spec:
      shareProcessNamespace: true
      initContainers:
        {{- include "cgtune.sidecar" .Subcharts.cgtune | nindent 8 }}
      containers:
        - {name: shop, image: "shop:1"}
"""


@functools.cache
def chart_with_sidecar(values: str = "as it comes") -> tuple[Object, ...]:
    """What a user's own chart becomes that has ours as a dependency and includes its sidecar, as deploy/README.md shows it."""
    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder, "mine")
        (mine / "templates").mkdir(parents=True)
        shutil.copytree(CHART, mine / "charts" / "cgtune")
        (mine / "Chart.yaml").write_text("apiVersion: v2\nname: mine\nversion: 1.0.0\n")
        inherited = VALUES[values] | {"nodeAgent": {"enabled": False}}
        (mine / "values.yaml").write_text(json.dumps({"cgtune": inherited}))
        (mine / "templates" / "deployment.yaml").write_text(_DEPLOYMENT_OF_A_CHART)
        return tuple(kubernetes.render("helm", "template", "mine", mine, "--namespace", "shop"))


def everything() -> Iterator[tuple[str, Object]]:
    """Each object that we render, with where it came from."""
    sets = {
        "kustomize node-agent": kustomize(),
        "kustomize sidecar": kustomize("sidecar", "prometheus-operator"),
        "kustomize sidecar-any-user": kustomize("sidecar", "sidecar-any-user"),
        **{f"chart, {values}": chart(values) for values in VALUES},
        **{f"chart's sidecar, {values}": chart_with_sidecar(values) for values in VALUES},
    }
    for name, objects in sets.items():
        for each in objects:
            yield f"{name}: {each['kind']} {each['metadata']['name']}", each


def only(objects: tuple[Object, ...], kind: str, name: str | None = None) -> Object:
    """The one object of this kind, and of this name where one is given."""
    (found,) = (each for each in objects if each["kind"] == kind and name in (None, each["metadata"]["name"]))
    return found


def pod_specs(objects: tuple[Object, ...]) -> Iterator[tuple[Object, Object]]:
    """Metadata and spec of each workload's pods."""
    for each in objects:
        if each["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
            yield each["spec"]["template"]["metadata"], each["spec"]["template"]["spec"]


def containers(spec: Object) -> list[Object]:
    """All containers of a pod, those that start first in front."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def cgtune_of(spec: Object) -> Object:
    """The pod's container that is cgtune."""
    (found,) = (each for each in containers(spec) if each["name"] == "cgtune")
    return found
