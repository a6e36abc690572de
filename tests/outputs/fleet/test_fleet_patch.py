"""What --patch writes: what is sure enough, with its reasons, as files that kustomize and helm take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cgtune.fleet.model import Row
from cgtune.model import Advice
from cgtune.outputs.fleet.patch import render_patch
from tests.support import kubernetes
from tests.support.fleetreports import BARE, CART, HOSTILE_REPORT, MEMLIMIT, MIB, ORDERS, PROCS, THROTTLED, WHOLE, key, report_of

ORDERS_FILE = "shop-deployment-orders-server.yaml"
DEPLOYED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: orders, namespace: shop}
spec:
  template:
    spec:
      containers:
      - name: sidecar
        image: sidecar:1
      - name: server
        image: orders:1
        env:
        - {name: REGION, value: eu}
        - {name: GOMAXPROCS, value: "16"}
        - name: GOMEMLIMIT
          valueFrom: {resourceFieldRef: {resource: limits.memory}}
        resources:
          limits: {cpu: "1", memory: 512Mi}
          requests: {cpu: 500m, memory: 256Mi}
"""


def patch_of(row: Row, flavour: str = "kustomize") -> Any:
    """The one document of this row."""
    return yaml.safe_load(render_patch(report_of(row), flavour)[1][1])


def server_of(document: Any) -> Any:
    """Its container."""
    (container,) = document["spec"]["template"]["spec"]["containers"]
    return container


def test_a_patch_has_what_is_sure_and_differs() -> None:
    """Sized values of some confidence, and the variables that are right under these; what is the same or unsure is a comment."""
    text = dict(render_patch(WHOLE, "kustomize"))[ORDERS_FILE]
    container = server_of(yaml.safe_load(text))
    assert container["resources"] == {"limits": {"cpu": "1850m", "memory": "640Mi"}, "requests": {"cpu": "550m"}}
    assert [(each["name"], each["value"]) for each in container["env"]] == [("GOMAXPROCS", "2"), ("GOMEMLIMIT", "576MiB")]
    assert "# memory request: nothing is recommended: too young\n" in text
    unsure = ORDERS.replace(sized=tuple(each.replace(confidence="low") for each in ORDERS.sized))
    container = server_of(patch_of(unsure))
    assert "resources" not in container
    assert [(each["name"], each["value"]) for each in container["env"]] == [("GOMAXPROCS", "1"), ("GOMEMLIMIT", "460MiB")]


def test_a_limit_is_not_set_where_there_is_none() -> None:
    """Who has no CPU limit may mean it: the value is told, and GOMAXPROCS is that of now."""
    row = ORDERS.replace(measured=ORDERS.measured.replace(cpu_limit_cores=None, is_cpu_unlimited=True))
    text = render_patch(report_of(row), "kustomize")[1][1]
    container = server_of(yaml.safe_load(text))
    assert "cpu" not in container["resources"]["limits"]
    assert "there is no limit, which may be meant so" in text
    assert container["env"][0]["value"] == "1"


@pytest.mark.parametrize(
    "doubtful",
    [
        PROCS.replace(doubt="it has just begun"),
        PROCS.replace(overruled=True),
        PROCS.replace(set=False),
    ],
    ids=["doubt", "overruled", "left unset"],
)
def test_what_is_doubted_is_a_comment(doubtful: Any) -> None:
    """The value stands there with the reason why it is not set."""
    row = ORDERS.replace(sized=(), recommendations=(doubtful, MEMLIMIT))
    text = render_patch(report_of(row), "kustomize")[1][1]
    assert [each["name"] for each in server_of(yaml.safe_load(text))["env"]] == ["GOMEMLIMIT"]
    assert "# GOMAXPROCS " in text


def test_what_cannot_be_patched_is_named() -> None:
    """An object of unknown kind, a Job: with the reason; a row that needs nothing is counted."""
    fine = ORDERS.replace(sized=(), recommendations=(), under_sized=())
    index = render_patch(report_of(BARE, ORDERS.replace(key=key("once", kind="Job")), fine), "kustomize")[0][1]
    assert "# left out: shop/edge: an object of unknown kind cannot be patched here\n" in index
    assert "# left out: shop/Job/once, container server: Job cannot be patched here\n" in index
    assert "# left out: 1 with nothing to change that is sure enough\n" in index
    assert yaml.safe_load(index)["patches"] == []


def test_a_cronjob_has_its_template_deeper() -> None:
    """As batch/v1 has it."""
    document = patch_of(ORDERS.replace(key=key("nightly", kind="CronJob")))
    assert document["apiVersion"] == "batch/v1"
    assert document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["name"] == "server"


def test_helm_values() -> None:
    """Resources where `helm create` has them, and the variables as a list."""
    values = patch_of(ORDERS, "helm")
    assert values["resources"]["limits"] == {"cpu": "1850m", "memory": "640Mi"}
    assert values["env"] == [{"name": "GOMAXPROCS", "value": "2"}, {"name": "GOMEMLIMIT", "value": "576MiB"}]
    assert patch_of(BARE.replace(recommendations=(MEMLIMIT,)), "helm") == {"env": [{"name": "GOMEMLIMIT", "value": "460MiB"}]}


def test_hostile_names_stay_in_their_place() -> None:
    """A name is one scalar, a comment one line, a file's name one of Kubernetes' letters."""
    row = HOSTILE_REPORT.rows[0]
    row = row.replace(key=row.key.replace(kind="Deployment"), recommendations=(MEMLIMIT,))
    for flavour in ("kustomize", "helm"):
        files = render_patch(HOSTILE_REPORT.replace(rows=(row, row)), flavour)
        assert len({name for name, _ in files}) == 3
        assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._KREADMEtx") for name, _ in files)
        for _, text in files:
            assert "\x1b" not in text
            assert yaml.safe_load(text) is None or "env" in text or "patches" in text
    document = yaml.safe_load(render_patch(report_of(row), "kustomize")[1][1])
    assert document["metadata"]["name"] == row.key.name


@pytest.mark.fetched
def test_kustomize_lays_it_over_a_manifest(tmp_path: Path) -> None:
    """The real kustomize: what is there stays, a value takes the place of a valueFrom, what is to be unset goes."""
    unset = THROTTLED.replace(advice=(Advice(variable="GOMAXPROCS", value=None, reason="it comes to 2 by itself"),))
    row = ORDERS.replace(findings=(unset,), recommendations=(MEMLIMIT,), under_sized=(MEMLIMIT.replace(value=576 * MIB),))
    component = tmp_path / "cgtune"
    component.mkdir()
    for name, text in render_patch(report_of(row, CART.replace(recommendations=(), sized=())), "kustomize"):
        (component / name).write_text(text)
    (tmp_path / "orders.yaml").write_text(DEPLOYED)
    (tmp_path / "kustomization.yaml").write_text("resources: [orders.yaml]\ncomponents: [cgtune]\n")
    (deployment,) = kubernetes.render("kubectl", "kustomize", tmp_path)
    sidecar, server = sorted(deployment["spec"]["template"]["spec"]["containers"], key=lambda each: str(each["name"]), reverse=True)
    assert sidecar == {"name": "sidecar", "image": "sidecar:1"}
    assert server["resources"] == {"limits": {"cpu": "1850m", "memory": "640Mi"}, "requests": {"cpu": "550m", "memory": "256Mi"}}
    env = {each["name"]: each for each in server["env"]}
    assert env.keys() == {"REGION", "GOMEMLIMIT"}
    assert env["GOMEMLIMIT"]["value"] == "576MiB"
    assert not env["GOMEMLIMIT"].get("valueFrom")


@pytest.mark.fetched
def test_a_fleet_is_more_than_one_kustomization(tmp_path: Path) -> None:
    """Of a whole cluster's patches those are laid over that have their object there: name and namespace whole, a dot is a dot."""
    component = tmp_path / "cgtune"
    component.mkdir()
    others = [
        ORDERS.replace(key=each) for each in (key("or.ers"), key("orders", namespace="pay"), key("rders"), key("orders", kind="DaemonSet"))
    ]
    for name, text in render_patch(report_of(ORDERS, *others), "kustomize"):
        (component / name).write_text(text)
    (tmp_path / "orders.yaml").write_text(DEPLOYED)
    (tmp_path / "cart.yaml").write_text(DEPLOYED.replace("name: orders,", "name: orxers,"))
    (tmp_path / "kustomization.yaml").write_text("resources: [orders.yaml, cart.yaml]\ncomponents: [cgtune]\n")
    deployed = {each["metadata"]["name"]: each for each in kubernetes.render("kubectl", "kustomize", tmp_path)}
    assert server_of_two(deployed["orders"])["resources"]["limits"] == {"cpu": "1850m", "memory": "640Mi"}
    assert server_of_two(deployed["orxers"])["resources"]["limits"] == {"cpu": "1", "memory": "512Mi"}


def server_of_two(document: Any) -> Any:
    """The container of that name, beside its sidecar."""
    (server,) = (each for each in document["spec"]["template"]["spec"]["containers"] if each["name"] == "server")
    return server


@pytest.mark.fetched
def test_a_variable_that_is_not_there_can_be_unset(tmp_path: Path) -> None:
    """kustomize takes the deletion of what is not there: code may have set GOMAXPROCS, and no variable."""
    unset = THROTTLED.replace(advice=(Advice(variable="GOMAXPROCS", value=None, reason="it comes to 2 by itself"),))
    text = render_patch(report_of(ORDERS.replace(findings=(unset,), recommendations=(), under_sized=(), sized=())), "kustomize")[1][1]
    assert server_of(yaml.safe_load(text))["env"] == [{"name": "GOMAXPROCS", "$patch": "delete"}]
    manifest = DEPLOYED.replace('        - {name: GOMAXPROCS, value: "16"}\n', "")
    (tmp_path / "orders.yaml").write_text(manifest)
    (tmp_path / "patch.yaml").write_text(text)
    (tmp_path / "kustomization.yaml").write_text("resources: [orders.yaml]\npatches: [{path: patch.yaml}]\n")
    (deployment,) = kubernetes.render("kubectl", "kustomize", tmp_path)
    assert "GOMAXPROCS" not in json.dumps(deployment)
