"""Containers that are written down, as services that get another Go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cgtune.advice.comparing import judge_upgrade
from cgtune.advice.services import Programs, Target
from cgtune.advice.upgrade import Service, UpgradeRow
from cgtune.lint.services import read_services
from cgtune.manifests import read_text
from tests.advice.test_comparing import judge

TARGET = Target(new_go="1.27", old_go="1.24", language=None, cpus=64)


def read(text: str, target: Target = TARGET) -> list[Service | str]:
    """What a manifest tells."""
    return list(read_services(read_text("m.yaml", text), target, Programs(target)))


def rows(text: str, target: Target = TARGET) -> tuple[UpgradeRow, ...]:
    """Its services, judged; nothing is left out."""
    services = [one for one in read(text, target) if isinstance(one, Service)]
    return judge_upgrade(services, judge)


def pod(annotations: dict[str, str] | None = None, spec: dict[str, Any] | None = None, **container: Any) -> str:
    """A pod with one container."""
    metadata = {"name": "orders", "namespace": "shop", "annotations": annotations or {}}
    containers = [{"name": "app", "image": "registry/app:1", **container}]
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **(spec or {})}})


LIMITS = {"limits": {"cpu": "2", "memory": "1Gi"}}


def test_limits_variables_and_names() -> None:
    """The limits as Kubernetes counts them, the environment as the kubelet computes it, the object and the container by name."""
    field = {"valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}
    env = [{"name": "GOMEMLIMIT", **field}, {"name": "GOGC", "value": "off"}, {"name": "GOGC", "value": "$(PERCENT)"}]
    (row,) = rows(pod(resources=LIMITS, env=[{"name": "PERCENT", "value": "50"}, *env]))
    assert (row.names, row.change) == (("Pod/shop/orders app",), "fewer-threads")
    assert row.old.values == (64, 1 << 30, 50)
    assert row.memory_margin_bytes == 0


def test_which_go_it_runs() -> None:
    """An annotation tells it, and beats --from; without a word the version of --from is taken for it, and that is said."""
    (row,) = rows(pod({"cgtune.dev/go": "1.25"}, resources=LIMITS))
    assert (row.old.go, row.change, row.notes[:1]) == ("1.25", "none", row.notes[:1])
    assert not any("taken for Go" in note for note in row.notes)
    (row,) = rows(pod(resources=LIMITS))
    assert row.notes[0] == "nothing that is written says that it runs Go: taken for Go 1.24, as --from says"
    (row,) = rows(pod(resources=LIMITS, env=[{"name": "GOGC", "value": "50"}]))
    assert not any("taken for Go" in note for note in row.notes)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            pod(),
            "m.yaml:1: Pod/shop/orders app: which Go it runs is not said: by an annotation cgtune.dev/go, or for all of them by --from",
        ),
        *(
            (
                pod({name: said}),
                "m.yaml:1: Pod/shop/orders app: its annotation cgtune.dev/go says that it runs no Go, or none that is known",
            )
            for name, said in (("cgtune.dev/go", "none"), ("cgtune.dev/go", "new"), ("cgtune.dev/go.app", "none"))
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", "m.yaml:2: ConfigMap"),
        ("a: [\n", "m.yaml:"),
    ],
)
def test_what_is_left_out_is_said(text: str, says: str) -> None:
    """With file and line."""
    (why,) = read(text, TARGET.replace(old_go=None))
    assert isinstance(why, str)
    assert why.startswith(says)


def test_what_is_not_known_before_it_runs() -> None:
    """A variable of a Secret that is not in the input, or of any source of variables that is not: what hangs on it is not known."""
    secret = {"name": "GOMAXPROCS", "valueFrom": {"secretKeyRef": {"name": "tuning", "key": "procs"}}}
    (row,) = rows(pod(resources=LIMITS, env=[secret]))
    assert (row.change, row.old.value("GOMAXPROCS"), row.old.value("GOGC"), row.keep) == ("unknown", None, 100, ())
    assert any(note.startswith("the value of GOMAXPROCS is not known before it runs: ") and "tuning" in note for note in row.notes)
    (row,) = rows(pod(resources=LIMITS, envFrom=[{"configMapRef": {"name": "settings"}}]))
    assert (row.change, row.old.values) == ("unknown", (None, None, None))
    assert any("GODEBUG may be set by ConfigMap settings" in note for note in row.notes)


def test_the_limit_of_the_pod() -> None:
    """Kubernetes writes it into the cgroup of a container that has none of its own."""
    (row,) = rows(pod(spec={"resources": {"limits": {"cpu": "3", "memory": "2Gi"}}}))
    assert (row.old.value("GOMAXPROCS"), row.new.value("GOMAXPROCS")) == (64, 3)
    assert row.new.process.limits.memory.limit_bytes == 2 << 30
